"""What the annotator's page does. Every handler identifies the person again; the browser's data proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from annotation import form
from annotation.errors import DuplicateRowError
from annotation.form import GUIDELINES_VERSION
from annotation.identity import pseudonyms
from annotation.identity.tokens import SESSION_DAYS
from annotation.journal.participants import record_name
from annotation.study.study import Study
from maps.errors import MapsError
from space.components.links import head_in_query
from space.components.markup import Html, anchor, join_html, notice
from space.pages.annotate import outbox
from space.pages.annotate import task as tasks
from space.pages.annotate.arrival import invitation_in, open_session, panel_link_problem
from space.pages.annotate.door import UNOPENED_STUDY, WITHDRAWN, WITHDRAWN_MESSAGE, shut_door, shut_door_updates
from space.pages.annotate.ends import count_right, exit_html, practice_answers
from space.pages.annotate.own_answers import write_own_answers
from space.pages.annotate.view import (
    AnnotatePage,
    open_form_updates,
    receipt_html,
    task_updates,
    welcome_updates,
)
from space.services import Services
from space.studies.current import (
    accept_invitation,
    select_study,
    storage_closed_reason,
    visible_default_study,
)
from space.studies.participant import Participant
from space.web import sessions
from space.web.downloads import one_time_link
from space.web.sessions import Annotator, annotator_for_name, identify_annotator
from space.web.updates import Inputs, Updates
from space.web.visitors import connection_address

SIGN_IN_FIRST = "Please sign in with Hugging Face first."
WITHDRAWAL_RECEIPT = "Your answers are withdrawn and will not be in the next release. You can no longer take part."
NAME_TAKEN = (
    "Somebody has signed in here under this name before. If that was you, open your personal link; if you no longer "
    "have it, ask the person who runs the study for a new one. Otherwise choose another name."
)
RELOAD_FIRST = "This page is too old to sign in; please reload it."
PERSONAL_LINK_TEXT = (
    "This is your personal link. Keep it: it is not shown again. It signs you in on another device, and here after you "
    f"sign out or stay away for {SESSION_DAYS} days. Anybody who has it can answer in your name."
)
DECLINED_MESSAGE = "You chose not to take part. Nothing about you is stored. Thank you for your time!"
SIGNED_OUT_MESSAGE = "You are signed out. Your personal link signs you in again."
RESERVATION_LOST_MESSAGE = (
    "You were away for a while, and someone else took this item. You can still submit: we will say if the answer is no "
    "longer needed. Skip gives you another item."
)
ITEM_NOT_OPEN = "Your answer was not stored, because that item is not open any more. Continue with this one."
PRACTICE_OVER = "The practice is over: you answered {} of {} items right. From now on your answers count."
COPIES_PUBLISHED_MESSAGE = "All your answers so far are published."
VisitorHandler = Callable[[AnnotatePage, Inputs, gr.Request], Updates]
AnnotatorHandler = Callable[[AnnotatePage, Participant, Inputs], Updates]


def for_visitor(page: AnnotatePage, handler: VisitorHandler) -> Any:
    """Wraps a handler that anybody may call; an error is shown above the form."""

    def handle(inputs: dict[Any, Any], request: gr.Request) -> Any:
        try:
            return handler(page, inputs, request) or gr.skip()
        except MapsError as error:
            return {page.notices: notice(str(error), "problem")}

    handle.__name__ = handler.__name__  # Gradio names the endpoint after it
    return handle


def for_annotator(page: AnnotatePage, handler: AnnotatorHandler) -> Any:
    """Wraps a handler for whoever is signed in; others see the welcome. An error is shown next to the form."""

    def handle(inputs: dict[Any, Any], request: gr.Request) -> Any:
        try:
            study = current_study(page.services, inputs[page.task])
            annotator = identify_annotator(page.services, inputs[page.token], request)
            if annotator is None:
                return welcome_updates(page, study)
            return handler(page, Participant(page.services, study, annotator), inputs) or gr.skip()
        except MapsError as error:
            return {page.message: notice(str(error), "problem")}

    handle.__name__ = handler.__name__
    return handle


def current_study(services: Services, browser_state: object) -> Study:
    """The study of the browser's task, else the present one."""
    name = browser_state.get("study") if isinstance(browser_state, dict) else None
    if name == services.default_study.name:
        return visible_default_study(services)
    return select_study(services, name if isinstance(name, str) else None)


def load_annotate_page(page: AnnotatePage, inputs: Inputs, request: gr.Request) -> Updates:
    """Opens the item in the address, else the browser's task, else the next item; without a session the welcome."""
    services, browser_state = page.services, inputs[page.task]
    query: Mapping[str, str] = request.query_params
    previous_study = browser_state.get("study") if isinstance(browser_state, dict) else None
    try:
        study = select_study(services, query.get("study"), previous_study)
    except MapsError as error:
        return shut_door_updates(page, UNOPENED_STUDY, notice(str(error), "problem"))
    requested_item = tasks.requested_study_item(study, head_in_query(query))
    invitation = query.get("invitation") or invitation_in(browser_state)
    if (problem := panel_link_problem(services, study, query)) is not None:
        return shut_door_updates(page, UNOPENED_STUDY, notice(problem, "problem"))
    token, link_notice = open_session(services, study, inputs[page.token], query)
    annotator = identify_annotator(services, token, request)
    copies = {page.copies: outbox.compare_copies(services, outbox.extract_ids(inputs[page.copies]))}
    if annotator is not None and annotator.pseudonym in services.journal.withdrawal_times():
        return shut_door_updates(page, WITHDRAWN, notice(WITHDRAWN_MESSAGE)) | copies | {page.token: token}
    if annotator is None or not outbox.has_consented(services, annotator):
        token = token or (None if services.is_on_space else sessions.visitor_token(services))
        if not link_notice and (shut := shut_door(page, study, annotator, invitation)):
            return shut | copies | {page.token: token}
        welcome = welcome_updates(page, study, requested_item, link_notice, invitation, annotator)
        return welcome | copies | {page.token: token}
    accept_invitation(services, study, annotator, invitation)
    participant = Participant(services, study, annotator)
    task = tasks.restore_task(participant, browser_state, inputs[page.draft])
    if requested_item is not None and task.item != requested_item:
        task = tasks.open_item(participant, requested_item, task.skipped_handles)
    return open_form_updates(page, token, task) | copies


def sign_in(page: AnnotatePage, inputs: Inputs, request: gr.Request) -> Updates:
    """Records the consent and opens the form. Off a Space, whoever is the first with a name gets a personal link."""
    services = page.services
    known = identify_annotator(services, inputs[page.token], request)
    name = known.name if known else inputs[page.name] or ""
    if services.is_on_space and not known:
        return {page.notices: notice(SIGN_IN_FIRST, "problem")}
    if (reason := storage_closed_reason(services.ledger)) is not None:
        return {page.notices: notice(reason, "problem")}
    if problems := pseudonyms.name_problems(name):
        return {page.notices: notice(" ".join(problems), "problem")}
    token, notices = inputs[page.token], Html("")
    if known is None:
        try:
            annotator = register_newcomer(services, name, inputs[page.token], request)
        except DuplicateRowError:
            return {page.notices: notice(NAME_TAKEN, "problem")}
        token, notices = sessions.begin_session(services, name), personal_link_notice(services, name, request)
    else:
        annotator = known
        services.journal.record_consent(annotator.pseudonym, GUIDELINES_VERSION)
    if not annotator.panel:
        record_name(services.journal, annotator.pseudonym, annotator.name, services.pseudonym_key)
    study = current_study(services, inputs[page.task])
    accept_invitation(services, study, annotator, invitation_in(inputs[page.task]))
    participant = Participant(services, study, annotator)
    return open_form_updates(page, token, tasks.reserve_first_task(participant, inputs[page.task]), notices)


def register_newcomer(services: Services, name: str, token: object, request: gr.Request) -> Annotator:
    """Records the consent of the first person with this name; DuplicateRowError for a name that is in use."""
    services.sign_in_limits.consume(connection_address(request))
    annotator = annotator_for_name(name, services.pseudonym_key)
    session_id = sessions.visitor_session_id(services, token)
    if session_id is None:
        raise MapsError(RELOAD_FIRST)
    services.journal.record_consent(annotator.pseudonym, GUIDELINES_VERSION, first_session=session_id)
    return annotator


def personal_link_notice(services: Services, name: str, request: gr.Request) -> Html:
    """The personal link, which is shown this once."""
    link = sessions.personal_link(services, name, request)
    text = Html('<div class="notice" role="status" id="personal-link"><p>{}</p><p>{}</p></div>')
    return text.format(PERSONAL_LINK_TEXT, anchor(link, link))


def decline(page: AnnotatePage, inputs: Inputs, request: gr.Request) -> Updates:
    """Ends the session of somebody from a panel who does not agree; nothing of them is stored."""
    services, study = page.services, current_study(page.services, inputs[page.task])
    annotator = identify_annotator(services, inputs[page.token], request)
    if annotator is None or annotator.panel != study.name or outbox.has_consented(services, annotator):
        return {}
    sessions.end_session(services, inputs[page.token], services.pseudonym_key)
    return {
        page.welcome_column: gr.update(visible=False),
        page.token: None,
        page.notices: notice(DECLINED_MESSAGE) + exit_html(study, "declined", annotator),
    }


def sign_out(page: AnnotatePage, inputs: Inputs, _request: gr.Request) -> Updates:
    """Ends the session for good, on the server too; the draft goes, the copies of answers stay until published."""
    services = page.services
    sessions.end_session(services, inputs[page.token], services.pseudonym_key)
    study = current_study(services, inputs[page.task])
    updates = welcome_updates(page, study, notices=notice(SIGNED_OUT_MESSAGE, "receipt"))
    return updates | {page.token: sessions.visitor_token(services), page.draft: None}


def submit(page: AnnotatePage, participant: Participant, inputs: Inputs) -> Updates:
    """Stores the answers, then shows the receipt and the next item; the form stays as it is if an answer is missing."""
    task = tasks.task_from_browser(participant, inputs[page.task])
    if task is None or task.item is None:
        skipped = tasks.parse_skipped_handles(inputs[page.task])
        next_task = tasks.reserve_next_task(participant, skipped)
        return task_updates(page, inputs[page.token], next_task) | {page.message: notice(ITEM_NOT_OPEN, "problem")}
    codes = {field: inputs[question] for field, question in page.questions.items()}
    answers = form.keep_applicable_answers(codes, inputs[page.comment])
    if problems := form.answer_problems(answers):
        return {page.message: notice(" ".join(problems), "problem")}
    answered = replace(task, answers=answers)
    if (hint := tasks.contradiction_hint(answered)) and not was_asked(inputs[page.task]):
        return {page.message: notice(hint), page.task: answered.browser_state() | {"was_asked": True}}
    judgment, receipt = tasks.store_judgment(answered)
    copies = {page.copies: {"keep": {judgment.judgment_id: outbox.seal_copy(judgment, page.services.pseudonym_key)}}}
    if task.practice_example is not None:  # it stays on the page, with feedback
        same_task = tasks.open_item(participant, task.item, task.skipped_handles)
        return task_updates(page, inputs[page.token], same_task) | copies
    next_task = tasks.reserve_next_task(participant, task.skipped_handles)
    return task_updates(page, inputs[page.token], next_task) | {page.message: receipt_html(task, receipt)} | copies


def was_asked(browser_state: object) -> bool:
    """Whether the annotator has been asked about a contradiction on this item; the flag is stored in either case."""
    return isinstance(browser_state, dict) and browser_state.get("was_asked") is True


def skip(page: AnnotatePage, participant: Participant, inputs: Inputs) -> Updates:
    """Releases the item, which comes back at the end, and shows the next; a judged item just stays as it is."""
    task = tasks.task_from_browser(participant, inputs[page.task])
    skipped = tasks.parse_skipped_handles(inputs[page.task])
    if task is not None and is_unanswered(task) and task.item is not None:
        journal = page.services.journal
        journal.release_reservation(participant.study.name, task.item.key, participant.annotator.pseudonym)
        handle = participant.item_handle(task.item)
        skipped = (*(each for each in skipped if each != handle), handle)
    next_task = tasks.reserve_next_task(participant, skipped)
    updates = task_updates(page, inputs[page.token], next_task)
    if task is not None and task.practice_example is not None and is_unanswered(next_task):
        right = count_right(participant, practice_answers(participant))
        updates[page.message] = notice(PRACTICE_OVER.format(right, len(participant.examples_by_key)), "receipt")
    return updates


def is_unanswered(task: tasks.AnnotationTask) -> bool:
    """Whether the task is an item of the study, not a practice item, that the annotator has not judged yet."""
    return task.item is not None and task.earlier_judgment is None and task.practice_example is None


def go_back(page: AnnotatePage, participant: Participant, inputs: Inputs) -> Updates:
    task = tasks.task_from_browser(participant, inputs[page.task])
    if task is None:
        task = tasks.reserve_next_task(participant, tasks.parse_skipped_handles(inputs[page.task]))
    return task_updates(page, inputs[page.token], tasks.previous_task(participant, task))


def keep_reserved(page: AnnotatePage, participant: Participant, inputs: Inputs) -> Updates:
    """Keeps the item reserved while the annotator is active, and compares the browser's copies with the journal."""
    copies = outbox.compare_copies(page.services, outbox.extract_ids(inputs[page.copies]))
    updates: Updates = {page.copies: copies}
    if copies["drop"] and not copies["missing"]:
        updates[page.notices] = notice(COPIES_PUBLISHED_MESSAGE, "receipt")
    if not participant.is_in_open_study and not renew_reservation(participant, inputs[page.task]):
        updates[page.message] = notice(RESERVATION_LOST_MESSAGE)
    return updates


def renew_reservation(participant: Participant, browser_state: object) -> bool:
    """Reserves the item of the browser's task from now on; False if someone else has it. A judged item needs none."""
    task = tasks.task_from_browser(participant, browser_state)
    if task is None or not is_unanswered(task) or task.item is None:
        return True
    journal, annotator = participant.services.journal, participant.annotator.pseudonym
    if journal.renew_reservation(participant.study.name, task.item.key, annotator):
        return True
    return tasks.restore_task(participant, browser_state, None).item == task.item


def restore_copies(page: AnnotatePage, inputs: Inputs, request: gr.Request) -> Updates:
    """Stores copies of judgments that this server has lost, says so, and opens the form again if any was stored."""
    services = page.services
    seals = outbox.extract_copies(inputs[page.copies])
    if not seals:
        return {}  # not even empty copies: they could replace the copy of an answer that was submitted just now
    if storage_closed_reason(services.ledger) is not None:
        outbox.restore_withdrawals(services, seals)
        return {}
    annotator = identify_annotator(services, inputs[page.token], request)
    result = outbox.restore_copies(services, annotator, seals)
    notices = join_html(notice(sentence) for sentence in result.sentences)
    copies: Updates = {page.copies: {"drop": list(result.droppable_ids)}}
    if annotator is None or not result.stored_count:
        return {page.notices: notices} | copies
    return reopen_form(page, annotator, inputs, notices) | copies


def reopen_form(page: AnnotatePage, annotator: Annotator, inputs: Inputs, notices: str) -> Updates:
    """The form for an annotator whose answers were restored, or the reason why it cannot be shown."""
    try:
        participant = Participant(page.services, current_study(page.services, inputs[page.task]), annotator)
        task = tasks.restore_task(participant, inputs[page.task], None)
        return open_form_updates(page, inputs[page.token], task, notices)
    except MapsError as error:
        return {page.notices: notices + notice(str(error), "problem")}


def download_own_answers(page: AnnotatePage, participant: Participant, _inputs: Inputs) -> Updates:
    """The annotator's own answers as a file that tells no control."""
    return {page.own_answers_link: one_time_link(page.services, partial(write_own_answers, participant))}


def withdraw_own_answers(page: AnnotatePage, participant: Participant, _inputs: Inputs) -> Updates:
    """Withdraws the annotator: the answers no longer count and their copies go; the withdrawal itself is kept."""
    pseudonym = participant.annotator.pseudonym
    copies = outbox.withdraw_annotator(page.services, pseudonym)
    receipt = f"{WITHDRAWAL_RECEIPT} {outbox.publication_sentence(page.services, pseudonym)}".rstrip()
    reason = notice(receipt)
    if participant.annotator.panel:
        reason += exit_html(participant.study, "declined", participant.annotator)
    updates = shut_door_updates(page, WITHDRAWN, reason)
    return updates | {page.token: sessions.visitor_token(page.services), page.draft: None, page.copies: copies}
