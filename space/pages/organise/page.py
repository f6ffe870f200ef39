"""The organiser's page: studies, new ones, disagreements, withdrawals. Only its layout and what calls which act."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from annotation import form
from annotation.export.files import FORMATS
from annotation.form import CATEGORY, PRECISION, PRESENCE
from annotation.study.sampling import SAMPLES
from space.pages.annotate.page import radio
from space.pages.organise import handlers, studies
from space.pages.organise.handlers import only
from space.pages.organise.updates import Board
from space.services import Services
from space.web.browser_storage import browser_organiser

DEPENDENT = """(presence, precision, category) => {
  const described = presence === 'present_described', known = described || presence === 'present_missed';
  const shown = (applies, value) => ({__type__: 'update', visible: applies || 'hidden', value: applies ? value : null});
  return [shown(described, precision), shown(known, category)];
}"""  # form.asked for the eye; the server checks again
NO_KEY = (
    "() => { const here = new URL(location); here.searchParams.delete('key'); history.replaceState({}, '', here); }"
)
EMPTY = "() => ['', {__type__: 'update', visible: false}]"
PRIVATE: dict[str, Any] = {"api_visibility": "private"}


class Case(NamedTuple):
    """An item to decide, and the button that does."""

    row: gr.Row
    evidence: gr.HTML
    presence: gr.Radio
    precision: gr.Radio
    category: gr.Radio
    comment: gr.Textbox
    message: gr.HTML
    decide: gr.Button


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and wires its events."""
    key, denied = browser_organiser(), gr.HTML(elem_id="denied")
    if services.login:
        gr.LoginButton()
    place = gr.Textbox(visible="hidden", elem_id="place")  # outside the column: showing that shows what is hidden in it
    with gr.Column(visible=False, elem_id="organise") as room:
        overview = gr.HTML(elem_id="overview")
        with gr.Tabs() as tabs:
            with gr.Tab("Study", id="study"):
                study = gr.HTML(elem_id="study")
                open_up = study_tab(services, key, place)
            with gr.Tab("Disagreements", id="disagreements"):
                listing = gr.HTML(elem_id="disagreements")
                case = case_tab()
            with gr.Tab("New study", id="new"):
                new_tab(services, key, overview)
            with gr.Tab("Withdrawals", id="withdrawals"):
                withdrawn = withdrawal_tab(services, key)
    fields = Board(
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
    opened = page.load(handlers.opening(services), key, list(fields), **PRIVATE)
    opened.then(None, js=NO_KEY)
    given = [key, place, *fields.questions, case.comment]
    decided = case.decide.click(only(services, handlers.decide), given, list(fields), **PRIVATE)
    for laid in (opened, decided):  # showing the row shows what is hidden in it, too
        laid.then(None, fields.questions, fields.questions[1:], js=DEPENDENT)
    case.presence.input(None, fields.questions, fields.questions[1:], js=DEPENDENT, **PRIVATE)


def study_tab(services: Services, key: gr.BrowserState, place: gr.Textbox) -> gr.Button:
    """The study's files, and opening its answers, asked twice; returns the button that asks first."""
    gr.HTML('<p class="hint">The files hold all rows: what each annotator answered, and which items are controls.</p>')
    with gr.Row():
        buttons = [gr.Button(f"All rows ({fmt})", min_width=120, elem_id=f"rows-{fmt}") for fmt in FORMATS]
    files = gr.File(label="Your download", visible=False, elem_id="rows")
    open_up = gr.Button("Open the answers to annotators …", visible=False, elem_id="open-answers")
    said = gr.HTML(elem_id="opened")
    sure = gr.Button("Yes, open them for good", visible=False, variant="stop", elem_id="open-answers-sure")
    for fmt, button in zip(FORMATS, buttons, strict=True):
        button.click(only(services, handlers.rows_file(fmt)), [key, place], files, **PRIVATE)
    open_up.click(only(services, handlers.ask_to_open_answers), [key, place], [said, sure], **PRIVATE)
    sure.click(only(services, handlers.open_answers), [key, place], [said, sure, open_up], **PRIVATE)
    return open_up


def case_tab() -> Case:
    """An item in disagreement and the form of the decision."""
    with gr.Row(visible=False) as row:
        with gr.Column(scale=3, elem_classes="evidence"):
            evidence = gr.HTML(elem_id="case")
        with gr.Column(scale=2, elem_id="questions"):
            presence, precision, category = radio(PRESENCE), radio(PRECISION), radio(CATEGORY)
            comment = gr.Textbox(
                label="Comment (optional)", lines=2, max_length=form.LONGEST_COMMENT, elem_id="comment"
            )
            message = gr.HTML(elem_id="message")
            decide = gr.Button("Decide", variant="primary", elem_id="decide")
    return Case(row, evidence, presence, precision, category, comment, message, decide)


def new_tab(services: Services, key: gr.BrowserState, overview: gr.HTML) -> None:
    """The settings of a new study, in the order of `organising.Wanted`; first said, then frozen."""
    sources = studies.described(services)
    with gr.Row():
        name = gr.Textbox(label="Name (small letters, digits, hyphens)", max_length=40, elem_id="study-name")
        described = gr.Dropdown(sources, value=next(iter(sources), None), label="Model and describer")
    with gr.Row():
        heads = counted("Heads to draw", 138, "study-heads")
        sample = gr.Dropdown(list(SAMPLES), value=SAMPLES[0], label="Drawn from all alike, or by layer quarter")
        per_item = counted("Judgments of each item", 3, "study-per-item")
        overlap = counted("Heads of these that everybody judges", 10, "study-overlap")
    with gr.Row():
        swapped = counted("Controls with another head's description", 7, "study-swapped")
        shuffled = counted("Controls with shuffled mappings", 7, "study-shuffled")
        most = counted("Most items for one person (0: no limit)", 0, "study-most")
        deadline = gr.Textbox(label="Last day in UTC, like 2027-01-31 (empty: none)", max_length=10)
        seed = counted("Seed of the draw and the order", 0, "study-seed")
    practice = gr.Checkbox(True, label="Three worked examples before the first item")
    inputs = [key, name, described, heads, sample, per_item, overlap, swapped, shuffled, practice, most, deadline, seed]
    preview = gr.Button("What would it hold?", elem_id="preview")
    said = gr.HTML(elem_id="would-hold")
    create = gr.Button("Freeze and create", variant="primary", visible=False, elem_id="create")
    preview.click(only(services, handlers.preview_study), inputs, [said, create], **PRIVATE)
    create.click(only(services, handlers.create_study), inputs, [said, create, overview], **PRIVATE)


def counted(label: str, value: int, elem_id: str) -> gr.Number:
    """A field for a whole number; what is out of range is said by `organising`."""
    return gr.Number(value, label=label, precision=0, elem_id=elem_id, min_width=160)


def withdrawal_tab(services: Services, key: gr.BrowserState) -> gr.HTML:
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
    ask.click(only(services, handlers.ask_to_withdraw), [key, pseudonym], [said, sure], **PRIVATE)
    pseudonym.input(None, None, [said, sure], js=EMPTY, **PRIVATE)
    sure.click(only(services, handlers.withdraw), [key, pseudonym], [said, sure, withdrawn], **PRIVATE)
    return withdrawn
