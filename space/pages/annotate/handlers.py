"""What happens on the annotator's page: every handler finds out again who asks, and answers in the order of `AnnotateComponents`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from annotation import form
from annotation.errors import JournalError
from annotation.form import GUIDELINES_VERSION
from annotation.identity import pseudonyms
from annotation.study.study import Study
from maps.errors import MapsError
from space.components.links import head_in_query
from space.components.markup import notice
from space.pages.annotate import desk as desks
from space.pages.annotate import outbox
from space.pages.annotate.view import (
    AnnotateComponents,
    open_form_updates,
    ordered_updates,
    receipt_html,
    task_updates,
    welcome_updates,
)
from space.services import Services
from space.studies.current import select_study, storage_closed_reason
from space.studies.participant import Participant
from space.web.errors import show_errors
from space.web.sessions import Annotator, annotator_for_name, identify_annotator, login_name

WITHDRAWN_MESSAGE = "You have withdrawn your answers, so nothing of yours is stored any more."
RESERVATION_LOST_MESSAGE = (
    "This item was free for others after 30 minutes without a sign of you, and somebody has taken it. If your answer "
    "is not needed any more, that is said when you submit; Skip brings another item."
)
AnnotatorHandler = Callable[[Participant, object], tuple[Any, ...]]


def current_study(services: Services, browser_state: object) -> Study:
    """The study that the browser's desk is of, else the present one."""
    name = browser_state.get("study") if isinstance(browser_state, dict) else None
    known = isinstance(name, str) and name == services.default_study.name
    return services.default_study if known else select_study(services, name if isinstance(name, str) else None)


def page_load_handler(services: Services) -> Any:
    """The page's load: the item in the address, else the draft, else the next item; without a session the welcome."""

    @show_errors
    def opened(signed: object, kept: object, draft: object, sent: object, request: gr.Request) -> tuple[Any, ...]:
        query: Mapping[str, str] = request.query_params
        before = kept.get("study") if isinstance(kept, dict) else None
        study = select_study(services, query.get("study"), before)
        wanted = desks.requested_study_item(study, head_in_query(query))
        who = identify_annotator(services, signed, request)
        copies = outbox.compare_copies(services, outbox.extract_ids(sent))
        if (
            who is None
            or not outbox.has_consented(services, who)
            or who.pseudonym in services.journal.withdrawal_times()
        ):
            gone = who is not None and who.pseudonym in services.journal.withdrawal_times()
            return add_copies(
                welcome_updates(services, study, wanted, notice(WITHDRAWN_MESSAGE) if gone else ""), copies
            )
        seat = Participant(services, study, who)
        desk = desks.restore_task(seat, kept, draft)
        if wanted is not None and desk.item != wanted:
            desk = desks.open_item(seat, wanted, desk.skipped_handles)
        return add_copies(open_form_updates(signed, desk), copies)

    return opened


def add_copies(updates: tuple[Any, ...], copies: Any) -> tuple[Any, ...]:
    """Updates with what the browser is to keep, drop and send of its copies."""
    return tuple(
        copies if name == "copies" else each for name, each in zip(AnnotateComponents._fields, updates, strict=True)
    )


def sign_in_handler(services: Services) -> Any:
    """Notes the consent; off a Space it hands out the token of a typed name."""

    def signed_in(name: str | None, kept: object, request: gr.Request) -> tuple[Any, ...]:
        given = (login_name(request) if services.is_on_space else name) or ""
        if services.is_on_space and not given:
            return ordered_updates(said=notice("Please sign in with Hugging Face first.", "problem"))
        if (reason := storage_closed_reason(services)) is not None:
            return ordered_updates(said=notice(reason, "problem"))
        if problems := pseudonyms.name_problems(given):
            return ordered_updates(said=notice(" ".join(problems), "problem"))
        who = annotator_for_name(services, given)
        try:
            services.journal.record_consent(who.pseudonym, given.strip(), GUIDELINES_VERSION)
            seat = Participant(services, current_study(services, kept), who)
            signed = None if services.is_on_space else pseudonyms.make_session_token(given, services.pseudonym_key)
            return open_form_updates(signed, desks.reserve_first_task(seat, kept))
        except MapsError as error:
            return ordered_updates(said=notice(str(error), "problem"))

    return signed_in


def submit_handler(services: Services) -> Any:
    """Stores the answers, then shows the receipt and the next item. What is missing is said and nothing is lost."""

    def submitted(
        signed: object,
        kept: object,
        presence: str | None,
        precision: str | None,
        category: str | None,
        comment: str | None,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        answers = form.keep_applicable_answers(
            {"presence": presence, "precision": precision, "category": category}, comment
        )

        def move(seat: Participant, kept: object) -> tuple[Any, ...]:
            desk = desks.task_from_browser(seat, kept)
            if desk is None or desk.item is None:
                return task_updates(signed, desks.reserve_next_task(seat, desks.parse_skipped_handles(kept)))
            if problems := form.answer_problems(answers):
                return ordered_updates(message=notice(" ".join(problems), "problem"))
            row, receipt = desks.store_judgment(replace(desk, answers=answers))
            copies = {"keep": {row.judgment_id: outbox.seal_copy(row, services.pseudonym_key)}}
            if desk.practice_example is not None:
                return task_updates(signed, desks.open_item(seat, desk.item, desk.skipped_handles), copies=copies)
            after = desks.reserve_next_task(seat, desk.skipped_handles)
            return task_updates(signed, after, receipt_html(desk, receipt), copies=copies)

        return call_for_annotator(services, move, signed, kept, request)

    return submitted


def call_for_annotator(
    services: Services, handler: AnnotatorHandler, token: object, browser_state: object, request: gr.Request
) -> tuple[Any, ...]:
    """What a handler does for whoever is signed in; troubles are said beside the form."""
    try:
        study = current_study(services, browser_state)
        who = identify_annotator(services, token, request)
        return (
            welcome_updates(services, study)
            if who is None
            else handler(Participant(services, study, who), browser_state)
        )
    except MapsError as error:
        return ordered_updates(message=notice(str(error), "problem"))


def skip_handler(services: Services) -> Any:
    """Sets the item free and puts it at the end; an item that was judged before stays as it is."""

    def skipped(signed: object, kept: object, request: gr.Request) -> tuple[Any, ...]:
        def move(seat: Participant, kept: object) -> tuple[Any, ...]:
            desk = desks.task_from_browser(seat, kept)
            before = desks.parse_skipped_handles(kept)
            if desk is None or desk.item is None or desk.earlier_judgment or desk.practice_example:
                return task_updates(signed, desks.reserve_next_task(seat, before))
            services.journal.release_reservation(seat.study.name, desk.item.key, seat.annotator.pseudonym)
            new = seat.item_handle(desk.item)
            return task_updates(signed, desks.reserve_next_task(seat, (*(each for each in before if each != new), new)))

        return call_for_annotator(services, move, signed, kept, request)

    return skipped


def back_handler(services: Services) -> Any:
    """The item judged before this one, to be looked at or changed."""

    def gone_back(signed: object, kept: object, request: gr.Request) -> tuple[Any, ...]:
        def move(seat: Participant, kept: object) -> tuple[Any, ...]:
            desk = desks.task_from_browser(seat, kept) or desks.reserve_next_task(
                seat, desks.parse_skipped_handles(kept)
            )
            return task_updates(signed, desks.previous_task(seat, desk))

        return call_for_annotator(services, move, signed, kept, request)

    return gone_back


def keep_alive_handler(services: Services) -> Any:
    """A sign of life: keeps the item reserved, and says which copies are published or missing."""

    def stayed(signed: object, kept: object, sent: object, request: gr.Request) -> tuple[Any, ...]:
        def move(seat: Participant, kept: object) -> tuple[Any, ...]:
            copies = outbox.compare_copies(services, outbox.extract_ids(sent))
            said = gr.skip()
            if copies["drop"] and not copies["missing"]:
                said = notice("What you answered until now is published.", "receipt")
            lost = not seat.is_in_open_study and has_lost_reservation(seat, kept)
            return ordered_updates(
                copies=copies, said=said, **({"message": notice(RESERVATION_LOST_MESSAGE)} if lost else {})
            )

        return call_for_annotator(services, move, signed, kept, request)

    return stayed


def has_lost_reservation(participant: Participant, browser_state: object) -> bool:
    """Whether the item on the desk, which is not answered yet, could not be kept reserved."""
    desk = desks.task_from_browser(participant, browser_state)
    if desk is None or desk.item is None or desk.earlier_judgment or desk.practice_example:
        return False
    journal, who = participant.services.journal, participant.annotator.pseudonym
    return (
        not journal.renew_reservation(participant.study.name, desk.item.key, who)
        and desks.restore_task(participant, browser_state, None).item != desk.item
    )


def resend_handler(services: Services) -> Any:
    """Stores the copies that this server had lost, says so, and opens the form again where that changed anything."""

    def resent(signed: object, kept: object, sent: object, request: gr.Request) -> tuple[Any, ...]:
        seals = outbox.extract_copies(sent)
        if not seals or storage_closed_reason(services) is not None:  # said by the form; the browser keeps its copies
            return (
                ordered_updates()
            )  # not even empty copies: they could take the place of those of an answer just submitted
        try:
            who = identify_annotator(services, signed, request)
            found = outbox.restore_copies(services, who, seals)
            said = "".join(notice(sentence) for sentence in found.sentences)
            copies = {"drop": list(found.droppable_ids)}
            if who is None or not found.stored_count:
                return ordered_updates(said=said, copies=copies)
            return add_copies(reopen_form(services, who, signed, kept, said), copies)
        except MapsError as error:
            return ordered_updates(said=notice(str(error), "problem"))

    return resent


def reopen_form(
    services: Services, annotator: Annotator, token: object, browser_state: object, notices: str
) -> tuple[Any, ...]:
    """The form for somebody whose answers came back; without what they say where it cannot be shown."""
    try:
        seat = Participant(services, current_study(services, browser_state), annotator)
        return open_form_updates(token, desks.restore_task(seat, browser_state, None), notices)
    except MapsError as error:
        return ordered_updates(said=notices + notice(str(error), "problem"))


def withdraw_handler(services: Services) -> Any:
    """Withdraws whoever asks: their answers count no more, their copies go, the withdrawal itself is kept."""

    def withdrawn(signed: object, kept: object, request: gr.Request) -> tuple[Any, ...]:
        who = identify_annotator(services, signed, request)
        try:
            study = current_study(services, kept)
            if who is None:
                return welcome_updates(services, study)
            copies = outbox.withdraw_annotator(services, who)
        except JournalError as error:
            return ordered_updates(message=notice(str(error), "problem"))
        said = notice(
            f"Your answers are withdrawn. {WITHDRAWN_MESSAGE} Whoever publishes the next release leaves them out."
        )
        update = dict(zip(AnnotateComponents._fields, welcome_updates(services, study, notices=said), strict=True))
        return ordered_updates(**update | {"token": None, "draft": None, "copies": copies})

    return withdrawn
