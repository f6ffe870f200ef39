"""The components of the organiser's page, and what they show for a selected study and item."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr
from gradio.blocks import Block

from annotation import form
from annotation.journal.participants import load_names, load_outcomes
from annotation.journal.study_changes import deadline_of, has_begun, is_paused
from annotation.statistics.disagreement import majority_answers
from annotation.study.study import Study
from annotation.study.workload import items_asked
from maps.errors import MapsError
from space.components.markup import Html, anchor, join_html, notice
from space.pages.annotate.view import question_updates
from space.pages.organise import adjudication, studies, view
from space.pages.organise.adjudication import OrganiserSelection
from space.pages.organise.documents import DocumentsSection
from space.pages.organise.inviting import InviteTab
from space.pages.organise.layout import DecisionTab, NewStudyTab, StudyTab, WithdrawalTab
from space.pages.organise.publishing import PublishTab
from space.pages.organise.studies import StudyStatus
from space.services import Services
from space.studies.annotator_work import annotator_work, is_large, is_work_counted
from space.studies.current import answers_hidden_reason
from space.web.browser_storage import organiser_token_state
from space.web.sessions import Annotator
from space.web.updates import Updates

# Only organisers are shown the overview. The header has a link for whoever was one in this browser.
REMEMBER_ORGANISER = """
const remember = () => { if (props.value) studyForm.rememberOrganiser(); };
remember();
watch('value', remember);
"""
COUNTING = "The answers are being counted. The table appears here by itself in a few seconds."
BEING_COUNTED = "Newer answers are being counted. Reload the page in a few seconds to see them in this table."


class OrganisePage:
    """The page as a handler sees it: the services, and the components to read and fill, which are laid out here."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.organiser_token, self.access_notice = organiser_token_state(), gr.HTML(elem_id="access-notice")
        # Copies of withdrawals, which the browser keeps as the annotator's page does.
        self.copies, self.copies_notice = (
            gr.JSON({}, visible="hidden", elem_id="copies"),
            gr.HTML(elem_id="copies-notice"),
        )
        if services.has_login:
            gr.LoginButton()
        self.selection = gr.Textbox(visible="hidden", elem_id="selection")  # in the column it would appear with it
        with gr.Column(visible=False, elem_id="organise") as self.content_column:
            self.overview = gr.HTML(elem_id="overview", js_on_load=REMEMBER_ORGANISER)
            with gr.Tabs() as self.tabs:
                with gr.Tab("Study", id="study"):
                    self.study = StudyTab()
                with gr.Tab("Invite", id="invite"):
                    self.invite = InviteTab(services)
                with gr.Tab("Disagreements", id="disagreements"):
                    self.decision = DecisionTab()
                with gr.Tab("Publish", id="publish"):
                    self.publish = PublishTab()
                    self.documents = DocumentsSection()
                with gr.Tab("New study", id="new"):
                    self.new_study = NewStudyTab(studies.describer_choices(services))
                with gr.Tab("Withdrawals", id="withdrawals"):
                    self.withdrawal = WithdrawalTab()
            self.sign_out_button = gr.Button(
                "Sign out", visible=not services.is_on_space, elem_id="organiser-sign-out", size="sm"
            )

    def selection_outputs(self) -> list[Block]:
        parts = (*vars(self).values(), *vars(self.decision).values(), *self.decision.questions.values())
        tab = self.study
        more = (*(part for part in vars(tab).values() if isinstance(part, Block)), self.withdrawal.withdrawals)
        filled = [self.new_study.fields[name] for name in ("name", "described", "heads")]
        more = (*more, self.invite.study_links, self.invite.panel_column)
        more = (*more, *filled, self.new_study.plan_fields["pilot"])
        return [*(part for part in parts if isinstance(part, Block)), *more]

    def counted_outputs(self) -> list[Block]:
        tab = self.decision
        return [self.study.detail, tab.disagreements, tab.row, tab.evidence, tab.comment, *tab.questions.values()]


def access_denied_updates(page: OrganisePage) -> Updates:
    """The page for everybody who is not an organiser: how to get in, and nothing else."""
    how = "open the organiser's link that was shown when the app was started"
    if page.services.is_on_space:
        how = "log in to Hugging Face with an organiser's account"
    message = notice(f"This page is for the organisers of studies. To get in, {how}.", "problem")
    return {
        page.access_notice: Html("<h1>Studies</h1>{}").format(message),
        page.content_column: gr.update(visible=False),
    }


def selection_from_query(services: Services, organiser: Annotator, query: Mapping[str, str]) -> OrganiserSelection:
    """The study and item that an address names; without a study the newest."""
    study = studies.find_study(services, query.get("study") or next(iter(studies.studies_newest_first(services))))
    number = query.get("item", "")
    item = int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else None
    question = query.get("question")
    question = question if question in adjudication.QUESTION_FIELDS else None
    return adjudication.new_selection(services, organiser, study, item, query.get("answers") == "shown", question)


def page_updates(page: OrganisePage, organiser: Annotator, selection: OrganiserSelection) -> Updates:
    """The page of a study. In a large one, what takes seconds to count comes later: see `counted_updates`."""
    services = page.services
    study = studies.find_study(services, selection.study)
    statuses = studies.study_statuses(services)
    are_hidden = answers_hidden_reason(services, study) is not None
    on_disagreements = selection.item is not None or selection.reveal_answers or selection.question is not None
    updates: Updates = {
        page.access_notice: "",
        page.content_column: gr.update(visible=True),
        page.selection: selection.to_json(),
        page.overview: overview_html(services, statuses),
        page.tabs: gr.update(selected="disagreements" if on_disagreements else "study"),
        page.study.detail: study_html(services, statuses[study.name], is_work_counted(services, study)),
        page.study.open_button: gr.update(visible=are_hidden),
        page.study.close_button: gr.update(visible=can_be_closed(services, study)),
        **change_buttons(page, study),
        page.invite.panel_column: gr.update(visible=bool(study.settings.panel.parameter)),
        page.withdrawal.withdrawals: withdrawals_html(services),
        page.decision.message: "",
    }
    if is_large(services, study) and (selection.reveal_answers or not are_hidden):
        tab = page.decision
        return updates | {tab.disagreements: notice(COUNTING), tab.row: gr.update(visible=False)}
    return updates | disagreement_updates(page, organiser, study, selection)


def counted_updates(page: OrganisePage, organiser: Annotator, selection: OrganiserSelection) -> Updates:
    """What is counted from all answers of a large study, which may take seconds; nothing for a small one, whose page
    has it already."""
    study = studies.find_study(page.services, selection.study)
    if not is_large(page.services, study):
        return {}
    detail = study_html(page.services, studies.study_statuses(page.services)[study.name])
    return {page.study.detail: detail} | disagreement_updates(page, organiser, study, selection)


def disagreement_updates(
    page: OrganisePage, organiser: Annotator, study: Study, selection: OrganiserSelection
) -> Updates:
    """The items on which annotators differ; why they are hidden while the study is running."""
    services, tab = page.services, page.decision
    if not selection.reveal_answers and answers_hidden_reason(services, study) is not None:
        return {tab.disagreements: hidden_answers_html(study), tab.row: gr.update(visible=False)}
    disagreements = adjudication.listed_disagreements(services, study, selection.question)
    table = view.disagreements_table(study, disagreements, selection.reveal_answers, selection.question)
    return {tab.disagreements: table} | decision_updates(page, organiser, study, selection)


def can_be_closed(services: Services, study: Study) -> bool:
    """Whether a study was created and has no recorded end."""
    return study.settings.per_item is not None and study.name not in services.journal.endings()


def change_buttons(page: OrganisePage, study: Study) -> Updates:
    """What can be changed of a study now: paused or not, its deadline, whether it can be deleted."""
    tab, journal = page.study, page.services.journal
    can_change, paused = can_be_closed(page.services, study), is_paused(journal, study.name)
    return {
        tab.pause_button: gr.update(visible=can_change and not paused),
        tab.resume_button: gr.update(visible=can_change and paused),
        tab.delete_button: gr.update(visible=can_change and not has_begun(journal, study.name)),
        tab.deadline_row: gr.update(visible=can_change and deadline_of(journal, study) is not None),
        tab.delete_confirm_button: gr.update(visible=False),
        tab.change_notice: "",
    }


def decision_updates(page: OrganisePage, organiser: Annotator, study: Study, selection: OrganiserSelection) -> Updates:
    """The selected item, with the organiser's own decision in the form, else the answers of most annotators; hidden if
    no item is selected."""
    tab, services = page.decision, page.services
    if selection.item is None:
        return {tab.row: gr.update(visible=False)}
    try:
        disagreement = adjudication.find_disagreement(services, study, selection.item)
    except MapsError as error:
        return {tab.row: gr.update(visible=False), tab.disagreements: notice(str(error), "problem")}
    decision = adjudication.own_decision(services, organiser, study, selection.item)
    answers = form.answers_of_judgment(decision) if decision else majority_answers(disagreement.judgments)
    return question_updates(tab.questions, answers) | {
        tab.row: gr.update(visible=True),
        tab.evidence: view.disagreement_html(study, disagreement),
        tab.comment: gr.update(value=answers.comment),
    }


def overview_html(services: Services, statuses: Mapping[str, StudyStatus]) -> Html:
    rows = [(each.study, each.progress, view.study_state(each)) for each in statuses.values()]
    return Html("<h1>Studies</h1>{}{}").format(view.studies_table(rows), ledger_status_html(services))


def study_html(services: Services, status: StudyStatus, is_counted: bool = True) -> Html:
    """State, settings and annotators. Without `is_counted`, a notice stands in the place of the annotators."""
    name = status.study.name
    opened_at = services.journal.answers_opened_at(name)
    opened = Html("")
    if opened_at is not None:
        opened = notice(f"Annotators can see its answers since {opened_at:%Y-%m-%d, %H:%M UTC}.")
    if (deadline := deadline_of(services.journal, status.study)) != status.study.settings.deadline:
        opened = join_html((opened, notice(f"The deadline was moved to {deadline:%Y-%m-%d %H:%M} (UTC).")))
    is_over = status.over_reason is not None
    detail = view.study_detail_html(status.study, status.progress, view.study_state(status), is_over)
    if not is_counted:
        return join_html((detail, opened, notice(COUNTING)))
    names, outcomes = load_names(services.journal, services.pseudonym_key), load_outcomes(services.journal, name)
    work, is_current = annotator_work(services, status.study)
    newer = Html("") if is_current else notice(BEING_COUNTED)
    table = view.annotators_table(work, names, outcomes, None if is_over else items_asked(status.study))
    return join_html((detail, opened, newer, table))


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
    link = anchor(view.study_address(study.name, reveal_answers=True), "Show them now anyway")
    return Html("{}<p>{}</p>").format(reason, link)
