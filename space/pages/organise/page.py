"""The organiser's page: studies, new studies, disagreements, withdrawals. Its layout, and which event calls what."""

from __future__ import annotations

from typing import Any

import gradio as gr

from annotation.export.files import EXPORT_FORMATS
from annotation.study.sampling import SAMPLE_METHODS
from space.pages.annotate.page import lay_out_questions
from space.pages.organise import handlers, studies
from space.pages.organise.handlers import for_organisers
from space.pages.organise.updates import (
    DecisionTab,
    NewStudyTab,
    OrganiseComponents,
    OrganisePage,
    StudyTab,
    WithdrawalTab,
)
from space.services import Services
from space.web.browser_storage import organiser_token_state
from space.web.updates import inputs_of

PRIVATE_EVENT: dict[str, Any] = {"api_visibility": "private"}


def build(services: Services, page: gr.Blocks) -> None:
    here = OrganisePage(services, lay_out(services))
    connect_selection(here, page)
    connect_study_tab(here)
    connect_new_study_tab(here)
    connect_withdrawal_tab(here)


def lay_out(services: Services) -> OrganiseComponents:
    organiser_token, access_notice = organiser_token_state(), gr.HTML(elem_id="access-notice")
    if services.has_login:
        gr.LoginButton()
    selection = gr.Textbox(visible="hidden", elem_id="selection")  # in the column it would appear with it
    with gr.Column(visible=False, elem_id="organise") as content_column:
        overview = gr.HTML(elem_id="overview")
        with gr.Tabs() as tabs:
            with gr.Tab("Study", id="study"):
                study = lay_out_study_tab()
            with gr.Tab("Disagreements", id="disagreements"):
                decision = lay_out_decision_tab()
            with gr.Tab("New study", id="new"):
                new_study = lay_out_new_study_tab(services)
            with gr.Tab("Withdrawals", id="withdrawals"):
                withdrawal = lay_out_withdrawal_tab()
    return OrganiseComponents(
        organiser_token=organiser_token,
        access_notice=access_notice,
        selection=selection,
        content_column=content_column,
        overview=overview,
        tabs=tabs,
        study=study,
        decision=decision,
        new_study=new_study,
        withdrawal=withdrawal,
    )


def connect_selection(here: OrganisePage, page: gr.Blocks) -> None:
    c = here.components
    tab, outputs = c.decision, c.selection_outputs()
    load = handlers.page_load_handler(here)
    # The endpoint's name must not be shared with a page that anybody may load: see tests/space/test_permissions.py.
    loaded = page.load(
        load, inputs_of(c.organiser_token), outputs, api_name="opened_for_organisers", api_visibility="private"
    )
    loaded.then(None, js="studyForm.removeKey")
    answers = inputs_of(c.organiser_token, c.selection, *tab.questions.values(), tab.comment)
    decided = tab.decide_button.click(for_organisers(here, handlers.decide), answers, outputs, **PRIVATE_EVENT)
    questions = list(tab.questions.values())
    for event in (loaded, decided):  # showing the row has also shown the hidden questions in it
        event.then(None, questions, tab.dependent_questions(), js="studyForm.showQuestions")
    for question in questions:
        question.input(None, questions, tab.dependent_questions(), js="studyForm.showQuestions", **PRIVATE_EVENT)


def lay_out_study_tab() -> StudyTab:
    detail = gr.HTML(elem_id="study")
    gr.HTML(
        '<p class="hint">The downloads contain every judgment: who answered what, and which items are controls.</p>'
    )
    with gr.Row():
        export_buttons = {
            fmt: gr.Button(f"Download all ({fmt})", min_width=120, elem_id=f"rows-{fmt}") for fmt in EXPORT_FORMATS
        }
    return StudyTab(
        detail=detail,
        export_buttons=export_buttons,
        files=gr.HTML(elem_id="rows"),
        open_answers_button=gr.Button("Show answers to annotators …", visible=False, elem_id="open-answers"),
        notice=gr.HTML(elem_id="open-answers-notice"),
        confirm_button=gr.Button("Yes, show them", visible=False, variant="stop", elem_id="open-answers-confirm"),
    )


def connect_study_tab(here: OrganisePage) -> None:
    """Downloads, and showing the answers, which must be confirmed."""
    c, tab = here.components, here.components.study
    selection = inputs_of(c.organiser_token, c.selection)
    for fmt, button in tab.export_buttons.items():
        export = for_organisers(here, handlers.export_rows, fmt)
        button.click(export, selection, [tab.files], api_name=f"rows_{fmt}", **PRIVATE_EVENT)
    ask, confirm = for_organisers(here, handlers.ask_to_open_answers), for_organisers(here, handlers.open_answers)
    tab.open_answers_button.click(ask, selection, [tab.notice, tab.confirm_button], **PRIVATE_EVENT)
    answers_opened = [tab.notice, tab.confirm_button, tab.open_answers_button]
    tab.confirm_button.click(confirm, selection, answers_opened, **PRIVATE_EVENT)


def lay_out_decision_tab() -> DecisionTab:
    disagreements = gr.HTML(elem_id="disagreements")
    with gr.Row(visible=False) as row:
        with gr.Column(scale=3, elem_classes="evidence"):
            evidence = gr.HTML(elem_id="disagreement")
        with gr.Column(scale=2, elem_id="questions"):
            questions, comment = lay_out_questions()
            message = gr.HTML(elem_id="message")
            decide_button = gr.Button("Save decision", variant="primary", elem_id="decide")
    return DecisionTab(
        disagreements=disagreements,
        row=row,
        evidence=evidence,
        questions=questions,
        comment=comment,
        message=message,
        decide_button=decide_button,
    )


def lay_out_new_study_tab(services: Services) -> NewStudyTab:
    describers = studies.describer_choices(services)
    fields: dict[str, Any] = {}
    with gr.Row():
        fields["name"] = gr.Textbox(label="Name (small letters, digits, hyphens)", max_length=40, elem_id="study-name")
        fields["described"] = gr.Dropdown(describers, value=next(iter(describers), None), label="Model and describer")
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
        fields["deadline"] = gr.Textbox(label="Last day in UTC, like 2027-01-31 (optional)", max_length=10)
        fields["seed"] = count_field("Seed of the sample and the order", 0, "study-seed")
    fields["practice"] = gr.Checkbox(True, label="Three worked examples before the first item")
    return NewStudyTab(
        fields=fields,
        preview_button=gr.Button("Preview", elem_id="preview"),
        summary=gr.HTML(elem_id="preview-summary"),
        create_button=gr.Button("Create study", variant="primary", visible=False, elem_id="create"),
    )


def count_field(label: str, value: int, elem_id: str) -> gr.Number:
    """A field for a whole number; `studies.build_study` checks its range."""
    return gr.Number(value, label=label, precision=0, elem_id=elem_id, min_width=160)


def connect_new_study_tab(here: OrganisePage) -> None:
    """Preview first, then create."""
    c, tab = here.components, here.components.new_study
    settings = inputs_of(c.organiser_token, *tab.fields.values())
    preview, create = for_organisers(here, handlers.preview_study), for_organisers(here, handlers.create_study)
    tab.preview_button.click(preview, settings, [tab.summary, tab.create_button], **PRIVATE_EVENT)
    tab.create_button.click(create, settings, [tab.summary, tab.create_button, c.overview], **PRIVATE_EVENT)


def lay_out_withdrawal_tab() -> WithdrawalTab:
    gr.HTML(
        "<p>After a withdrawal this person's answers are excluded from all figures, downloads and future releases. "
        "This cannot be undone.</p>"
    )
    return WithdrawalTab(
        pseudonym=gr.Textbox(label="Pseudonym, like a-3f9c2b81d0e4", max_length=40, elem_id="pseudonym"),
        ask_button=gr.Button("Withdraw …", elem_id="withdraw"),
        notice=gr.HTML(elem_id="withdrawal"),
        confirm_button=gr.Button(
            "Yes, exclude all their answers", variant="stop", visible=False, elem_id="withdraw-confirm"
        ),
        withdrawals=gr.HTML(elem_id="withdrawals"),
    )


def connect_withdrawal_tab(here: OrganisePage) -> None:
    """A withdrawal must be confirmed; typing another pseudonym takes the confirmation away."""
    c, tab = here.components, here.components.withdrawal
    pseudonym = inputs_of(c.organiser_token, tab.pseudonym)
    confirmation = [tab.notice, tab.confirm_button]
    ask, confirm = for_organisers(here, handlers.ask_to_withdraw), for_organisers(here, handlers.withdraw)
    tab.ask_button.click(ask, pseudonym, confirmation, **PRIVATE_EVENT)
    tab.pseudonym.input(None, None, confirmation, js="studyForm.resetConfirmation", **PRIVATE_EVENT)
    tab.confirm_button.click(confirm, pseudonym, [*confirmation, tab.withdrawals], **PRIVATE_EVENT)
