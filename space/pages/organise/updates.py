"""The components of the organiser's page, and what they show for a selected study and item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.blocks import Block

from annotation import form
from annotation.export.files import EXPORT_FORMATS
from annotation.study.panel import MAX_EXIT_LENGTH, PRESETS
from annotation.study.sampling import MAX_SEED, SAMPLE_METHODS
from annotation.study.study import MAX_NOTICE_LENGTH, Study
from maps.errors import MapsError
from space.components.markup import Html, anchor, join_html, notice
from space.pages.annotate.task import NO_ANSWERS
from space.pages.annotate.view import lay_out_questions, question_updates
from space.pages.organise import adjudication, studies, view
from space.pages.organise.adjudication import OrganiserSelection
from space.pages.organise.inviting import InviteTab
from space.pages.organise.publishing import PublishTab
from space.pages.organise.studies import StudyStatus
from space.services import Services
from space.studies.current import answers_hidden_reason
from space.web.browser_storage import organiser_token_state
from space.web.sessions import Annotator
from space.web.updates import Updates

DOWNLOADS_HINT = (
    '<p class="hint">The downloads contain every judgment: who answered what, and which items are controls.</p>'
)
HIDING_HINT = (
    "Hidden: visitors miss these heads' descriptions until the study is over. Shown: an annotator who looks a head up "
    "can tell controls. Whoever has the atlas's files from elsewhere can tell them in both cases."
)
WITHDRAWAL_HINT = (
    "<p>After a withdrawal this person's answers are excluded from all figures, downloads and future releases. "
    "This cannot be undone.</p>"
)


NOTICE_LABELS = {
    "title": "Title of the study",
    "organiser": "Who asks (names, institution)",
    "purpose": "What the answers are for",
    "contact": "Whom to write to",
    "ethics": "Ethics: who approved it, with the number, or why nobody had to",
    "payment": "What annotators get",
    "next_steps": "What happens after somebody's last item",
}


EXIT_LABELS = {
    "completed": "Code or address for whoever is done ({id} in an address: the person's id at the panel)",
    "screened_out": "The same for whoever fails the practice or finds nothing left to judge",
    "declined": "The same for whoever does not agree to take part",
}


class StudyTab:
    """One study: its state, its downloads, showing its answers to annotators, and closing it."""

    def __init__(self) -> None:
        self.detail = gr.HTML(elem_id="study")
        gr.HTML(DOWNLOADS_HINT)
        with gr.Row():
            self.export_buttons = {
                fmt: gr.Button(f"Download all ({fmt})", min_width=120, elem_id=f"rows-{fmt}") for fmt in EXPORT_FORMATS
            }
        self.files = gr.HTML(elem_id="rows")
        self.open_button = gr.Button("Show answers to annotators …", visible=False, elem_id="open-answers")
        self.notice = gr.HTML(elem_id="open-answers-notice")
        self.confirm_button = gr.Button("Yes, show them", visible=False, variant="stop", elem_id="open-answers-confirm")
        self.close_button = gr.Button("Close the study …", visible=False, elem_id="close-study")
        self.close_notice = gr.HTML(elem_id="close-study-notice")
        self.close_confirm_button = gr.Button(
            "Yes, close it", visible=False, variant="stop", elem_id="close-study-confirm"
        )


class DecisionTab:
    """The items in disagreement, and the decision on one of them."""

    def __init__(self) -> None:
        self.disagreements = gr.HTML(elem_id="disagreements")
        with gr.Row(visible=False) as self.row:
            with gr.Column(scale=3, elem_classes="evidence"):
                self.evidence = gr.HTML(elem_id="disagreement")
            with gr.Column(scale=2, elem_id="questions"):
                self.questions, self.comment = lay_out_questions()
                self.message = gr.HTML(elem_id="message")
                self.decide_button = gr.Button("Save decision", variant="primary", elem_id="decide")


class NewStudyTab:
    """The settings of a new study, by the fields of `StudyRequest`."""

    def __init__(self, describers: list[str]) -> None:
        fields: dict[str, Any] = {}
        with gr.Row():
            fields["name"] = gr.Textbox(
                label="Name (small letters, digits, hyphens)", max_length=40, elem_id="study-name"
            )
            fields["described"] = gr.Dropdown(
                describers, value=next(iter(describers), None), label="Model and describer"
            )
        with gr.Row():
            fields["heads"] = count_field("Heads in the study", 138, "study-heads")
            fields["sample"] = gr.Dropdown(
                list(SAMPLE_METHODS), value=SAMPLE_METHODS[0], label="Draw from all heads, or by layer quarter"
            )
            fields["per_item"] = count_field("Judgments per item", 3, "study-per-item")
            fields["overlap"] = count_field("Heads that everybody judges (overlap)", 10, "study-overlap")
        with gr.Row():
            fields["swapped"] = count_field("Controls with another head's description", 7, "study-swapped")
            fields["shuffled"] = count_field("Controls with shuffled mappings", 7, "study-shuffled")
            fields["per_annotator"] = count_field("Most items per person (0: no limit)", 0, "study-most")
            fields["annotators"] = count_field("Invited annotators (0: unknown)", 0, "study-annotators")
            fields["deadline"] = gr.Textbox(label="Last day in UTC, like 2027-01-31 (optional)", max_length=10)
            # Not a gr.Number: one without a value shows, and sends, 0.
            fields["seed"] = gr.Textbox(
                label="Seed (empty: drawn; whoever knows it can tell controls)",
                max_length=len(str(MAX_SEED)),
                elem_id="study-seed",
                min_width=160,
            )
        fields["practice"] = gr.Checkbox(True, label="Worked examples before the first item")
        fields["hides_descriptions"] = gr.Checkbox(
            True,
            label="Hide the descriptions of these heads in the explorer until the study is over",
            info=HIDING_HINT,
            elem_id="study-hides-descriptions",
        )
        fields["invited_only"] = gr.Checkbox(
            False,
            label="Only invited people may take part (otherwise whoever has the link)",
            elem_id="study-invited-only",
        )
        with gr.Accordion("Practice, panels and codes for the end", open=False, elem_id="study-panel"):
            with gr.Row():
                fields["practice_pass"] = count_field("Practice items that must be right (0: none)", 0, "study-pass")
                choices = [("none", ""), *((preset.name, name) for name, preset in PRESETS.items())]
                fields["panel"] = gr.Dropdown(choices, value="", label="Panel that people come from", min_width=160)
                fields["panel_parameter"] = gr.Textbox(
                    label="Parameter with a person's id (empty: that of the panel)", max_length=40, min_width=160
                )
            for name, label in EXIT_LABELS.items():
                fields[name] = gr.Textbox(label=label, max_length=MAX_EXIT_LENGTH, lines=1, elem_id=f"study-{name}")
        with gr.Accordion("What annotators are told", open=False, elem_id="study-notice"):
            for name, label in NOTICE_LABELS.items():
                fields[name] = gr.Textbox(label=label, max_length=MAX_NOTICE_LENGTH, lines=1, elem_id=f"study-{name}")
        self.fields = fields
        plan_fields: dict[str, Any] = {}
        with gr.Row():
            plan_fields["pilot"] = gr.Dropdown(
                [studies.PAPER_CHOICE], value=studies.PAPER_CHOICE, label="Plan with the answers of", min_width=160
            )
            plan_fields["hourly_rate"] = gr.Number(0, label="Pay for an hour (0: unpaid)", min_width=160)
            plan_fields["fee"] = gr.Number(0, label="Fees on the pay, in %", min_width=160)
        self.plan_fields = plan_fields
        self.preview_button = gr.Button("Preview", elem_id="preview")
        self.summary = gr.HTML(elem_id="preview-summary")
        self.create_button = gr.Button("Create study", variant="primary", visible=False, elem_id="create")


def count_field(label: str, value: int, elem_id: str) -> gr.Number:
    """A field for a whole number; `studies.build_study` checks its range."""
    return gr.Number(value, label=label, precision=0, elem_id=elem_id, min_width=160)


class WithdrawalTab:
    """Withdrawing an annotator."""

    def __init__(self) -> None:
        gr.HTML(WITHDRAWAL_HINT)
        self.pseudonym = gr.Textbox(label="Pseudonym, like a-3f9c2b81d0e4", max_length=40, elem_id="pseudonym")
        self.ask_button = gr.Button("Withdraw …", elem_id="withdraw")
        self.notice = gr.HTML(elem_id="withdrawal")
        self.confirm_button = gr.Button(
            "Yes, exclude all their answers", variant="stop", visible=False, elem_id="withdraw-confirm"
        )
        self.withdrawals = gr.HTML(elem_id="withdrawals")


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
            self.overview = gr.HTML(elem_id="overview")
            with gr.Tabs() as self.tabs:
                with gr.Tab("Study", id="study"):
                    self.study = StudyTab()
                with gr.Tab("Invite", id="invite"):
                    self.invite = InviteTab(services)
                with gr.Tab("Disagreements", id="disagreements"):
                    self.decision = DecisionTab()
                with gr.Tab("Publish", id="publish"):
                    self.publish = PublishTab()
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
        more = (tab.detail, tab.open_button, tab.close_button, self.withdrawal.withdrawals)
        filled = [self.new_study.fields[name] for name in ("name", "described", "heads")]
        more = (*more, *filled, self.new_study.plan_fields["pilot"])
        return [*(part for part in parts if isinstance(part, Block)), *more]


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
    return adjudication.new_selection(services, organiser, study, item, query.get("answers") == "shown")


def page_updates(page: OrganisePage, organiser: Annotator, selection: OrganiserSelection) -> Updates:
    services = page.services
    study = studies.find_study(services, selection.study)
    statuses = studies.study_statuses(services)
    are_hidden = answers_hidden_reason(services, study) is not None
    shows_answers = selection.reveal_answers or not are_hidden
    on_disagreements = selection.item is not None or selection.reveal_answers
    updates: Updates = {
        page.access_notice: "",
        page.content_column: gr.update(visible=True),
        page.selection: selection.to_json(),
        page.overview: overview_html(services, statuses),
        page.tabs: gr.update(selected="disagreements" if on_disagreements else "study"),
        page.study.detail: study_html(services, statuses[study.name]),
        page.study.open_button: gr.update(visible=are_hidden),
        page.study.close_button: gr.update(visible=can_be_closed(services, study)),
        page.withdrawal.withdrawals: withdrawals_html(services),
        page.decision.message: "",
    }
    tab = page.decision
    if not shows_answers:
        return updates | {tab.disagreements: hidden_answers_html(study), tab.row: gr.update(visible=False)}
    disagreements = adjudication.study_disagreements(services, study)
    table = view.disagreements_table(study, disagreements, selection.reveal_answers)
    return updates | {tab.disagreements: table} | decision_updates(page, organiser, study, selection)


def can_be_closed(services: Services, study: Study) -> bool:
    """Whether a study was created and has no recorded end."""
    return study.settings.per_item is not None and study.name not in services.journal.endings()


def decision_updates(page: OrganisePage, organiser: Annotator, study: Study, selection: OrganiserSelection) -> Updates:
    """The selected item, with the organiser's own decision in the form; hidden if no item is selected."""
    tab, services = page.decision, page.services
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
        tab.evidence: view.disagreement_html(study, disagreement),
        tab.comment: gr.update(value=answers.comment),
    }


def overview_html(services: Services, statuses: Mapping[str, StudyStatus]) -> Html:
    rows = [(each.study, each.progress, view.study_state(each.over_reason)) for each in statuses.values()]
    return Html("<h1>Studies</h1>{}{}").format(view.studies_table(rows), ledger_status_html(services))


def study_html(services: Services, status: StudyStatus) -> Html:
    name = status.study.name
    opened_at = services.journal.answers_opened_at(name)
    opened = ""
    if opened_at is not None:
        opened = notice(f"Annotators can see its answers since {opened_at:%Y-%m-%d, %H:%M UTC}.")
    address = f"{services.public_address}/annotate?study={name}".removeprefix("/")
    detail = view.study_detail_html(status.study, status.progress, view.study_state(status.over_reason), address)
    return join_html((detail, opened, view.annotators_table(studies.annotator_work(services, status.study))))


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
