"""What organisers can do on their page. `for_organisers` identifies the person at each call and refuses others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gradio as gr

from annotation import form
from annotation.export.files import export_judgments
from annotation.identity.pseudonyms import PSEUDONYM_PREFIX
from maps.errors import MapsError
from maps.text import pluralize
from maps.types import HeadId
from space.components.markup import Html, anchor, notice
from space.pages.annotate import outbox
from space.pages.organise import adjudication, studies
from space.pages.organise.inviting import study_links
from space.pages.organise.layout import NewStudyTab
from space.pages.organise.studies import PlanRequest, StudyRequest
from space.pages.organise.updates import (
    OrganisePage,
    access_denied_updates,
    counted_updates,
    overview_html,
    page_updates,
    selection_from_query,
    withdrawals_html,
)
from space.pages.organise.view import plan_html, study_address
from space.services import Services
from space.studies.current import answers_hidden_reason
from space.studies.results import find_stale_judgment_ids
from space.web import sessions
from space.web.downloads import one_time_link
from space.web.errors import show_errors
from space.web.sessions import Annotator
from space.web.updates import Inputs, Updates

HIDDEN_ANSWERS = "The answers of this study are hidden while it is running. Open the item with the answers shown."
SIGNED_OUT_MESSAGE = "You are signed out. The organiser's link signs you in until the app is started anew."


def page_load_handler(page: OrganisePage) -> Any:
    """The page's load: the study and item in the address; everybody else reads how to get in.

    Of either, the copies of withdrawals are compared: after a restart the organiser's link is another one.
    """

    def handle(inputs: dict[Any, Any], request: gr.Request) -> Any:
        services = page.services
        copies = {page.copies: compare_withdrawals(services, inputs[page.copies])}
        token, key = inputs[page.organiser_token], request.query_params.get("key")
        if key:
            token = sessions.organiser_session_from_key(services, key) or token
        organiser = sessions.identify_organiser(services, token, request)
        if organiser is None:
            return access_denied_updates(page) | copies
        selection = selection_from_query(services, organiser, request.query_params)
        new_study = new_study_updates(page, request.query_params.get("judge"))
        study = studies.find_study(services, selection.study)
        links = {page.invite.study_links: study_links(services, study, sessions.own_address(services, request))}
        shown = page_updates(page, organiser, selection) | new_study | links
        return shown | {page.organiser_token: token} | copies

    return show_errors(handle)


def new_study_updates(page: OrganisePage, judged: str | None) -> Updates:
    """The describers that can be judged now; with one of them in the address, a new study of it is filled in."""
    services, fields = page.services, page.new_study.fields
    choices = studies.describer_choices(services)
    pilots = {page.new_study.plan_fields["pilot"]: gr.update(choices=studies.pilot_choices(services))}
    if judged not in choices:
        return {fields["described"]: gr.update(choices=choices)} | pilots
    count = studies.count_described_heads(services, judged)
    return {
        page.tabs: gr.update(selected="new"),
        fields["described"]: gr.update(choices=choices, value=judged),
        fields["name"]: gr.update(value=studies.suggest_name(services, judged)),
        fields["heads"]: gr.update(value=min(int(fields["heads"].value), count)),
    } | pilots


def compare_withdrawals(services: Services, sent: object) -> dict[str, list[str]]:
    """As `outbox.compare_copies`, but answers are asked for by the annotator's page only."""
    copies = outbox.compare_copies(services, outbox.extract_ids(sent))
    return copies | {"missing": [each for each in copies["missing"] if each.startswith(PSEUDONYM_PREFIX)]}


def restore_copies_handler(page: OrganisePage) -> Any:
    """Stores withdrawals that this server has lost, from the copies in whatever browser; see `outbox`."""

    def restore_copies(inputs: dict[Any, Any]) -> Any:
        count = outbox.restore_withdrawals(page.services, outbox.extract_copies(inputs[page.copies]))
        restored = f"This server had lost {pluralize(count, 'withdrawal')}. Stored again from this browser's copy."
        return {page.copies_notice: notice(restored, "receipt")} if count else gr.skip()

    return show_errors(restore_copies)


def sign_out_organiser(page: OrganisePage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Ends the session for good, on the server too; the printed link opens another one."""
    services = page.services
    sessions.end_session(services, inputs[page.organiser_token], services.organiser_key.encode())
    updates = access_denied_updates(page)
    return updates | {page.organiser_token: None, page.access_notice: notice(SIGNED_OUT_MESSAGE, "receipt")}


def preview_study(page: OrganisePage, _organiser: Annotator, inputs: Inputs) -> Updates:
    tab = page.new_study
    try:
        study = studies.build_study(page.services, study_request(tab, inputs))
        request = PlanRequest(**{name: inputs[field] for name, field in tab.plan_fields.items()})
        plan = studies.plan_new_study(page.services, study, request)
    except MapsError as error:
        return {tab.summary: notice(str(error), "problem"), tab.create_button: gr.update(visible=False)}
    seed = {tab.fields["seed"]: str(study.settings.seed)}  # what was drawn, so that the study is the one in the preview
    return {tab.summary: plan_html(plan), tab.create_button: gr.update(visible=True)} | seed


def study_request(tab: NewStudyTab, inputs: Inputs) -> StudyRequest:
    return StudyRequest(**{name: inputs[field] for name, field in tab.fields.items()})


def create_study(page: OrganisePage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Creates a study, whose settings and items are then frozen."""
    tab = page.new_study
    try:
        study = studies.create_study(page.services, study_request(tab, inputs))
    except MapsError as error:
        return {tab.summary: notice(str(error), "problem")}
    created = notice(f"The study {study.name} is created.", "receipt")
    link = anchor(study_address(study.name), "Open it")
    return {
        tab.summary: Html("{}<p>{}</p>").format(created, link),
        tab.create_button: gr.update(visible=False),
        page.overview: overview_html(page.services, studies.study_statuses(page.services)),
    }


def ask_to_withdraw(page: OrganisePage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Explains what withdrawing a person means, before it is done."""
    tab, journal = page.withdrawal, page.services.journal
    pseudonym = typed_pseudonym(inputs[tab.pseudonym])
    hidden: Updates = {tab.confirm_button: gr.update(visible=False)}
    if pseudonym in journal.withdrawal_times():
        return {tab.notice: notice(f"{pseudonym} has withdrawn already."), **hidden}
    if pseudonym not in {person.pseudonym for person in journal.annotators()}:
        unknown = "Nobody here has this pseudonym. The table of annotators on the Study tab lists them."
        return {tab.notice: notice(unknown, "problem"), **hidden}
    count = sum(row.annotator == pseudonym for row in journal.all_judgments())
    warning = f"{count:,} answers of {pseudonym} will be excluded, in every study, and {pseudonym} cannot answer again."
    return {tab.notice: notice(warning, "problem"), tab.confirm_button: gr.update(visible=True)}


def typed_pseudonym(value: object) -> str:
    """The pseudonym in the field; empty for anything but text."""
    return value.strip() if isinstance(value, str) else ""


def withdraw(page: OrganisePage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Withdraws a person. With a ledger it waits some seconds until it has the withdrawal; the browser keeps a copy."""
    tab, services = page.withdrawal, page.services
    pseudonym = typed_pseudonym(inputs[tab.pseudonym])
    copies = outbox.withdraw_annotator(services, pseudonym)
    receipt = f"{pseudonym} is withdrawn. {outbox.publication_sentence(services, pseudonym)}".rstrip()
    return {
        page.copies: copies if services.publisher is not None else {},
        tab.notice: notice(receipt, "receipt"),
        tab.confirm_button: gr.update(visible=False),
        tab.withdrawals: withdrawals_html(page.services),
    }


def show_counted(page: OrganisePage, organiser: Annotator, inputs: Inputs) -> Updates:
    """What the page was shown without, because very many answers take seconds to count."""
    return counted_updates(page, organiser, adjudication.parse_selection(inputs[page.selection]))


def export_rows(page: OrganisePage, _organiser: Annotator, inputs: Inputs, fmt: str) -> Updates:
    services = page.services
    study = adjudication.selected_study(services, inputs[page.selection])
    rows = services.journal.all_judgments(study.name)
    stale = find_stale_judgment_ids(services.whole_atlases, study, rows)

    def write(folder: Path) -> Path:
        data = folder / study.name
        paths = export_judgments(rows, data, fmt, settings=study.settings, stale=stale)
        if fmt == "datasets":  # several files in folders
            return Path(shutil.make_archive(str(data), "zip", folder, study.name))
        return paths[0]

    return {page.study.files: one_time_link(services, write)}


def decide(page: OrganisePage, organiser: Annotator, inputs: Inputs) -> Updates:
    """Stores a decision and shows the next item to decide; the form stays as it is if an answer is missing."""
    tab, services = page.decision, page.services
    selection = adjudication.parse_selection(inputs[page.selection])
    study = studies.find_study(services, selection.study)
    if not selection.reveal_answers and answers_hidden_reason(services, study) is not None:
        raise MapsError(HIDDEN_ANSWERS)
    codes = {field: inputs[question] for field, question in tab.questions.items()}
    answers = form.keep_applicable_answers(codes, inputs[tab.comment])
    try:
        receipt = adjudication.store_decision(services, organiser, selection, answers)
    except MapsError as error:
        return {tab.message: notice(str(error), "problem")}
    item = study.order[selection.item or 0]
    position, rest = adjudication.next_undecided(services, study, selection), "Here is the next one."
    if position is None:
        position, rest = selection.item, "Nothing is left to decide in this list."
    fresh = adjudication.new_selection(
        services, organiser, study, position, selection.reveal_answers, selection.question
    )
    saved = f"Decision saved: {HeadId(item.layer, item.head)} at {receipt.stored_at:%H:%M:%S UTC}. {rest}"
    return page_updates(page, organiser, fresh) | {tab.message: notice(saved, "receipt")}
