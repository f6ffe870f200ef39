"""The components of the organiser's page, and what they show for a selected study and item."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import gradio as gr
from gradio.blocks import Block

from annotation import form
from annotation.study.study import Study
from maps.errors import MapsError
from space.components.markup import Html, anchor, join_html, notice
from space.pages.annotate.task import NO_ANSWERS
from space.pages.annotate.view import question_updates
from space.pages.organise import adjudication, studies
from space.pages.organise.adjudication import OrganiserSelection
from space.pages.organise.studies import StudyStatus
from space.pages.organise.view import (
    annotators_table,
    disagreement_html,
    disagreements_table,
    studies_table,
    study_address,
    study_detail_html,
    study_state,
)
from space.services import Services
from space.studies.access import answers_hidden_reason
from space.web.sessions import Annotator
from space.web.updates import Updates


class StudyTab(NamedTuple):
    """One study."""

    detail: gr.HTML
    export_buttons: dict[str, gr.Button]  # by the format of the files
    files: gr.HTML
    open_answers_button: gr.Button
    notice: gr.HTML
    confirm_button: gr.Button


class DecisionTab(NamedTuple):
    """The items in disagreement, and the decision on one of them."""

    disagreements: gr.HTML
    row: gr.Row
    evidence: gr.HTML
    questions: dict[str, gr.Radio]  # by the field of the question
    comment: gr.Textbox
    message: gr.HTML
    decide_button: gr.Button

    def dependent_questions(self) -> list[gr.Radio]:
        """The questions that are not always asked."""
        return [self.questions[question.field] for question in form.QUESTIONS if question.asked_when]


class NewStudyTab(NamedTuple):
    """The settings of a new study, by the fields of `StudyRequest`."""

    fields: dict[str, Any]
    preview_button: gr.Button
    summary: gr.HTML
    create_button: gr.Button


class WithdrawalTab(NamedTuple):
    """Withdrawing an annotator."""

    pseudonym: gr.Textbox
    ask_button: gr.Button
    notice: gr.HTML
    confirm_button: gr.Button
    withdrawals: gr.HTML


class OrganiseComponents(NamedTuple):
    """The components that handlers read and fill."""

    organiser_token: gr.BrowserState
    access_notice: gr.HTML
    selection: gr.Textbox
    content_column: gr.Column
    overview: gr.HTML
    tabs: gr.Tabs
    study: StudyTab
    decision: DecisionTab
    new_study: NewStudyTab
    withdrawal: WithdrawalTab

    def selection_outputs(self) -> list[Block]:
        parts = (*self, *self.decision, *self.decision.questions.values())
        more = (self.study.detail, self.study.open_answers_button, self.withdrawal.withdrawals)
        return [*(part for part in parts if isinstance(part, Block)), *more]


class OrganisePage(NamedTuple):
    """The page as a handler sees it."""

    services: Services
    components: OrganiseComponents


def access_denied_updates(page: OrganisePage) -> Updates:
    """The page for everybody who is not an organiser: how to get in, and nothing else."""
    how = "open the organiser's link that was shown when the app was started"
    if page.services.is_on_space:
        how = "log in to Hugging Face with an organiser's account"
    message = notice(f"This page is for the organisers of studies. To get in, {how}.", "problem")
    return {
        page.components.access_notice: Html("<h1>Studies</h1>{}").format(message),
        page.components.content_column: gr.update(visible=False),
    }


def selection_from_query(services: Services, organiser: Annotator, query: Mapping[str, str]) -> OrganiserSelection:
    """The study and item that an address names; without a study the newest."""
    study = studies.find_study(services, query.get("study") or next(iter(studies.studies_newest_first(services))))
    number = query.get("item", "")
    item = int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else None
    return adjudication.new_selection(services, organiser, study, item, query.get("answers") == "shown")


def page_updates(page: OrganisePage, organiser: Annotator, selection: OrganiserSelection) -> Updates:
    c, services = page.components, page.services
    study = studies.find_study(services, selection.study)
    statuses = studies.study_statuses(services)
    are_hidden = answers_hidden_reason(services, study) is not None
    shows_answers = selection.reveal_answers or not are_hidden
    on_disagreements = selection.item is not None or selection.reveal_answers
    updates: Updates = {
        c.access_notice: "",
        c.content_column: gr.update(visible=True),
        c.selection: selection.to_json(),
        c.overview: overview_html(services, statuses),
        c.tabs: gr.update(selected="disagreements" if on_disagreements else "study"),
        c.study.detail: study_html(services, statuses[study.name]),
        c.study.open_answers_button: gr.update(visible=are_hidden),
        c.withdrawal.withdrawals: withdrawals_html(services),
        c.decision.message: "",
    }
    if not shows_answers:
        return updates | {
            c.decision.disagreements: hidden_answers_html(study),
            c.decision.row: gr.update(visible=False),
        }
    disagreements = adjudication.study_disagreements(services, study)
    table = disagreements_table(study, disagreements, selection.reveal_answers)
    return updates | {c.decision.disagreements: table} | decision_updates(page, organiser, study, selection)


def decision_updates(page: OrganisePage, organiser: Annotator, study: Study, selection: OrganiserSelection) -> Updates:
    """The selected item, with the organiser's own decision in the form; hidden if no item is selected."""
    tab, services = page.components.decision, page.services
    if selection.item is None:
        return {tab.row: gr.update(visible=False)}
    try:
        disagreement = adjudication.find_disagreement(services, study, selection.item)
    except MapsError as error:
        return {tab.row: gr.update(visible=False), tab.disagreements: notice(str(error), "problem")}
    decision = adjudication.own_decision(services, organiser, study, selection.item)
    answers = form.answers_of_judgment(decision) if decision else NO_ANSWERS
    return question_updates(tab.questions, answers) | {
        tab.row: gr.update(visible=True),
        tab.evidence: disagreement_html(study, disagreement),
        tab.comment: gr.update(value=answers.comment),
    }


def overview_html(services: Services, statuses: Mapping[str, StudyStatus]) -> Html:
    rows = [(each.study, each.progress, current_study_state(each)) for each in statuses.values()]
    return Html("<h1>Studies</h1>{}{}").format(studies_table(rows), ledger_status_html(services))


def current_study_state(status: StudyStatus) -> str:
    return study_state(status.study, status.is_complete, datetime.now(UTC))


def study_html(services: Services, status: StudyStatus) -> Html:
    name = status.study.name
    opened_at = services.journal.answers_opened_at(name)
    opened = ""
    if opened_at is not None:
        opened = notice(f"Annotators can see its answers since {opened_at:%Y-%m-%d, %H:%M UTC}.")
    address = f"{services.public_address}/annotate?study={name}".removeprefix("/")
    detail = study_detail_html(status.study, status.progress, current_study_state(status), address)
    return join_html((detail, opened, annotators_table(studies.annotator_work(services, status.study))))


def ledger_status_html(services: Services) -> Html:
    if services.ledger is None:
        return notice("There is no ledger: answers are only on this machine's disk. MAPS_JUDGMENTS sets one.")
    status = services.ledger.status()
    problems = join_html(notice(line, "problem") for line in status.problems())
    return Html("<h2>Ledger</h2>{}{}").format(problems, join_html(notice(line) for line in status.state_sentences()))


def withdrawals_html(services: Services) -> Html:
    rows = services.journal.withdrawal_times().items()
    if not rows:
        return notice("Nobody has withdrawn.")
    lines = join_html(Html("<li>{}, {:%Y-%m-%d %H:%M UTC}</li>").format(name, moment) for name, moment in rows)
    return Html("<p>Withdrawn so far:</p><ul>{}</ul>").format(lines)


def hidden_answers_html(study: Study) -> Html:
    """Why the answers are hidden, and the link that shows them nevertheless."""
    reason = notice(
        "This study is still running. Somebody who knows the answers may influence those who still judge, so they are "
        "shown when the study has ended."
    )
    link = anchor(study_address(study.name, reveal_answers=True), "Show them now anyway")
    return Html("{}<p>{}</p>").format(reason, link)
