"""The tabs of the organiser's page laid out: one study, decisions, a new study, withdrawals."""

from __future__ import annotations

from typing import Any

import gradio as gr

from annotation.export.files import EXPORT_FORMATS
from annotation.study.panel import MAX_EXIT_LENGTH, PRESETS
from annotation.study.sampling import MAX_SEED, SAMPLE_METHODS
from annotation.study.study import MAX_NOTICE_LENGTH
from annotation.study.workload import PRACTICE_ITEMS
from space.pages.annotate.view import lay_out_questions
from space.pages.organise import studies

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
    """One study: its state and downloads; pausing, extending, closing and deleting it; showing its answers."""

    def __init__(self) -> None:
        self.detail = gr.HTML(elem_id="study")
        gr.HTML(DOWNLOADS_HINT)
        with gr.Row():
            self.export_buttons = {
                fmt: gr.Button(f"Download all ({fmt})", min_width=120, elem_id=f"rows-{fmt}") for fmt in EXPORT_FORMATS
            }
        self.files = gr.HTML(elem_id="rows")
        with gr.Row():
            self.pause_button = act_button("Pause the study", "pause-study")
            self.resume_button = act_button("Go on with the study", "resume-study")
            self.open_button = act_button("Show answers to annotators …", "open-answers")
            self.close_button = act_button("Close the study …", "close-study")
            self.delete_button = act_button("Delete the study …", "delete-study")
        self.change_notice = gr.HTML(elem_id="change-notice")
        self.notice = gr.HTML(elem_id="open-answers-notice")
        self.confirm_button = gr.Button("Yes, show them", visible=False, variant="stop", elem_id="open-answers-confirm")
        self.close_notice = gr.HTML(elem_id="close-study-notice")
        self.close_confirm_button = gr.Button(
            "Yes, close it", visible=False, variant="stop", elem_id="close-study-confirm"
        )
        self.delete_confirm_button = gr.Button(
            "Yes, delete it", visible=False, variant="stop", elem_id="delete-study-confirm"
        )
        with gr.Row(visible=False) as self.deadline_row:
            label = "New last day in UTC, like 2027-01-31"
            self.deadline = gr.Textbox(label=label, max_length=10, elem_id="new-deadline")
            self.extend_button = gr.Button("Move the deadline", elem_id="extend-study")


def act_button(label: str, elem_id: str) -> gr.Button:
    """A button for something that can be done with a study now; the page shows it then."""
    return gr.Button(label, visible=False, min_width=160, elem_id=elem_id)


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
        self.fields = {
            **lay_out_sample(describers),
            **lay_out_sizes(),
            **lay_out_rules(),
            **lay_out_panel(),
            **lay_out_notice(),
        }
        with gr.Row():
            pilots = [studies.PAPER_CHOICE]
            pilot = gr.Dropdown(pilots, value=pilots[0], label="Plan with the answers of", min_width=160)
            hourly_rate = gr.Number(0, label="Pay for an hour (0: unpaid)", min_width=160)
            fee = gr.Number(0, label="Fees on the pay, in %", min_width=160)
        self.plan_fields: dict[str, Any] = {"pilot": pilot, "hourly_rate": hourly_rate, "fee": fee}
        self.preview_button = gr.Button("Preview", elem_id="preview")
        self.summary = gr.HTML(elem_id="preview-summary")
        self.create_button = gr.Button("Create study", variant="primary", visible=False, elem_id="create")


Fields = dict[str, Any]  # components by the names of the settings


def lay_out_sample(describers: list[str]) -> Fields:
    """What the study is called, whose descriptions it asks about, and which heads."""
    fields: Fields = {}
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
    return fields


def lay_out_sizes() -> Fields:
    """Controls, limits, the last day and the seed."""
    fields: Fields = {}
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
    return fields


def lay_out_rules() -> Fields:
    """Practice, what visitors see meanwhile, and who may take part."""
    fields: Fields = {}
    fields["practice"] = gr.Checkbox(
        True,
        label=f"Practice before the first item: {PRACTICE_ITEMS} items, each with the right answers afterwards",
    )
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
    return fields


def lay_out_panel() -> Fields:
    """The pass mark, the panel, and what people take back to it."""
    fields: Fields = {}
    with gr.Accordion("Practice, panels and codes for the end", open=False, elem_id="study-panel"):
        with gr.Row():
            fields["practice_pass"] = count_field(
                f"Practice items, of {PRACTICE_ITEMS}, that must be right in all answers to go on (0: none)",
                0,
                "study-pass",
            )
            choices = [("none", ""), *((preset.name, name) for name, preset in PRESETS.items())]
            fields["panel"] = gr.Dropdown(choices, value="", label="Panel that people come from", min_width=160)
            fields["panel_parameter"] = gr.Textbox(
                label="Parameter with a person's id (empty: that of the panel)", max_length=40, min_width=160
            )
        for name, label in EXIT_LABELS.items():
            fields[name] = gr.Textbox(label=label, max_length=MAX_EXIT_LENGTH, lines=1, elem_id=f"study-{name}")
    return fields


def lay_out_notice() -> Fields:
    """The organiser's words to annotators."""
    fields: Fields = {}
    with gr.Accordion("What annotators are told", open=False, elem_id="study-notice"):
        for name, label in NOTICE_LABELS.items():
            fields[name] = gr.Textbox(label=label, max_length=MAX_NOTICE_LENGTH, lines=1, elem_id=f"study-{name}")
    return fields


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
