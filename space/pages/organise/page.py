"""The organiser's page: studies, new ones, disagreements, withdrawals. Only its layout and what calls which act."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from annotation import form
from annotation.export.files import EXPORT_FORMATS
from annotation.form import CATEGORY, PRECISION, PRESENCE
from annotation.study.sampling import SAMPLE_METHODS
from space.pages.annotate.page import question_radio
from space.pages.organise import handlers, studies
from space.pages.organise.handlers import for_organisers
from space.pages.organise.updates import OrganiseComponents
from space.services import Services
from space.web.browser_storage import organiser_key_state

PRIVATE_EVENT: dict[str, Any] = {"api_visibility": "private"}


class DecisionComponents(NamedTuple):
    """An item to decide, and the button that does."""

    row: gr.Row
    evidence: gr.HTML
    presence: gr.Radio
    precision: gr.Radio
    category: gr.Radio
    comment: gr.Textbox
    message: gr.HTML
    decide_button: gr.Button


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and wires its events."""
    key, denied = organiser_key_state(), gr.HTML(elem_id="denied")
    if services.has_login:
        gr.LoginButton()
    place = gr.Textbox(visible="hidden", elem_id="place")  # outside the column: showing that shows what is hidden in it
    with gr.Column(visible=False, elem_id="organise") as room:
        overview = gr.HTML(elem_id="overview")
        with gr.Tabs() as tabs:
            with gr.Tab("Study", id="study"):
                study = gr.HTML(elem_id="study")
                open_up = build_study_tab(services, key, place)
            with gr.Tab("Disagreements", id="disagreements"):
                listing = gr.HTML(elem_id="disagreements")
                case = build_decision_tab()
            with gr.Tab("New study", id="new"):
                build_new_study_tab(services, key, overview)
            with gr.Tab("Withdrawals", id="withdrawals"):
                withdrawn = build_withdrawal_tab(services, key)
    fields = OrganiseComponents(
        key,
        denied,
        room,
        place,
        overview,
        tabs,
        study,
        open_up,
        listing,
        case.row,
        case.evidence,
        case.presence,
        case.precision,
        case.category,
        case.comment,
        case.message,
        withdrawn,
    )
    opened = page.load(handlers.page_load_handler(services), key, list(fields), **PRIVATE_EVENT)
    opened.then(None, js="studyForm.removeKey")
    given = [key, place, *fields.questions, case.comment]
    decided = case.decide_button.click(for_organisers(services, handlers.decide), given, list(fields), **PRIVATE_EVENT)
    for laid in (opened, decided):  # showing the row shows what is hidden in it, too
        laid.then(None, fields.questions, fields.questions[1:], js="studyForm.showQuestions")
    case.presence.input(None, fields.questions, fields.questions[1:], js="studyForm.showQuestions", **PRIVATE_EVENT)


def build_study_tab(services: Services, organiser_key: gr.BrowserState, selection: gr.Textbox) -> gr.Button:
    """The study's files, and opening its answers, asked twice; returns the button that asks first."""
    gr.HTML('<p class="hint">The files hold all rows: what each annotator answered, and which items are controls.</p>')
    with gr.Row():
        buttons = [gr.Button(f"All rows ({fmt})", min_width=120, elem_id=f"rows-{fmt}") for fmt in EXPORT_FORMATS]
    files = gr.File(label="Your download", visible=False, elem_id="rows")
    open_up = gr.Button("Open the answers to annotators …", visible=False, elem_id="open-answers")
    said = gr.HTML(elem_id="opened")
    sure = gr.Button("Yes, open them for good", visible=False, variant="stop", elem_id="open-answers-sure")
    for fmt, button in zip(EXPORT_FORMATS, buttons, strict=True):
        button.click(
            for_organisers(services, handlers.rows_export_handler(fmt)),
            [organiser_key, selection],
            files,
            **PRIVATE_EVENT,
        )
    open_up.click(
        for_organisers(services, handlers.ask_to_open_answers),
        [organiser_key, selection],
        [said, sure],
        **PRIVATE_EVENT,
    )
    sure.click(
        for_organisers(services, handlers.open_answers),
        [organiser_key, selection],
        [said, sure, open_up],
        **PRIVATE_EVENT,
    )
    return open_up


def build_decision_tab() -> DecisionComponents:
    """An item in disagreement and the form of the decision."""
    with gr.Row(visible=False) as row:
        with gr.Column(scale=3, elem_classes="evidence"):
            evidence = gr.HTML(elem_id="case")
        with gr.Column(scale=2, elem_id="questions"):
            presence, precision, category = (
                question_radio(PRESENCE),
                question_radio(PRECISION),
                question_radio(CATEGORY),
            )
            comment = gr.Textbox(
                label="Comment (optional)", lines=2, max_length=form.MAX_COMMENT_LENGTH, elem_id="comment"
            )
            message = gr.HTML(elem_id="message")
            decide = gr.Button("Decide", variant="primary", elem_id="decide")
    return DecisionComponents(row, evidence, presence, precision, category, comment, message, decide)


def build_new_study_tab(services: Services, organiser_key: gr.BrowserState, overview: gr.HTML) -> None:
    """The settings of a new study, in the order of `organising.Wanted`; first said, then frozen."""
    sources = studies.describer_choices(services)
    with gr.Row():
        name = gr.Textbox(label="Name (small letters, digits, hyphens)", max_length=40, elem_id="study-name")
        described = gr.Dropdown(sources, value=next(iter(sources), None), label="Model and describer")
    with gr.Row():
        heads = count_field("Heads to draw", 138, "study-heads")
        sample = gr.Dropdown(
            list(SAMPLE_METHODS), value=SAMPLE_METHODS[0], label="Drawn from all alike, or by layer quarter"
        )
        per_item = count_field("Judgments of each item", 3, "study-per-item")
        overlap = count_field("Heads of these that everybody judges", 10, "study-overlap")
    with gr.Row():
        swapped = count_field("Controls with another head's description", 7, "study-swapped")
        shuffled = count_field("Controls with shuffled mappings", 7, "study-shuffled")
        most = count_field("Most items for one person (0: no limit)", 0, "study-most")
        deadline = gr.Textbox(label="Last day in UTC, like 2027-01-31 (empty: none)", max_length=10)
        seed = count_field("Seed of the draw and the order", 0, "study-seed")
    practice = gr.Checkbox(True, label="Three worked examples before the first item")
    inputs = [
        organiser_key,
        name,
        described,
        heads,
        sample,
        per_item,
        overlap,
        swapped,
        shuffled,
        practice,
        most,
        deadline,
        seed,
    ]
    preview = gr.Button("What would it hold?", elem_id="preview")
    said = gr.HTML(elem_id="would-hold")
    create = gr.Button("Freeze and create", variant="primary", visible=False, elem_id="create")
    preview.click(for_organisers(services, handlers.preview_study), inputs, [said, create], **PRIVATE_EVENT)
    create.click(for_organisers(services, handlers.create_study), inputs, [said, create, overview], **PRIVATE_EVENT)


def count_field(label: str, value: int, elem_id: str) -> gr.Number:
    """A field for a whole number; what is out of range is said by `organising`."""
    return gr.Number(value, label=label, precision=0, elem_id=elem_id, min_width=160)


def build_withdrawal_tab(services: Services, organiser_key: gr.BrowserState) -> gr.HTML:
    """Withdrawing an annotator on request, asked twice; returns the list of those who withdrew."""
    gr.HTML(
        "<p>Whoever withdraws is left out from then on: of the figures, the files and the next release. Nobody can "
        "take that back.</p>"
    )
    pseudonym = gr.Textbox(label="Pseudonym, like a-3f9c2b81d0e4", max_length=40, elem_id="pseudonym")
    ask = gr.Button("Withdraw …", elem_id="withdraw")
    said = gr.HTML(elem_id="withdrawal")
    sure = gr.Button("Yes, leave all their answers out", variant="stop", visible=False, elem_id="withdraw-sure")
    withdrawn = gr.HTML(elem_id="withdrawn")
    ask.click(
        for_organisers(services, handlers.ask_to_withdraw), [organiser_key, pseudonym], [said, sure], **PRIVATE_EVENT
    )
    pseudonym.input(None, None, [said, sure], js="studyForm.resetConfirmation", **PRIVATE_EVENT)
    sure.click(
        for_organisers(services, handlers.withdraw),
        [organiser_key, pseudonym],
        [said, sure, withdrawn],
        **PRIVATE_EVENT,
    )
    return withdrawn
