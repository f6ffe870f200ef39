"""The components of the page of models."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import Block

from maps.atlas.readings import PAPER_READING
from maps.describers.names import OFFLINE
from maps.mapping.reading import AUTO, PAPER
from space.services import Services
from space.web.browser_storage import organiser_token_state

REFRESH_SECONDS = 2.0
# A click on a button of a job; Gradio takes the name of the event from the quoted name in this script.
JOB_BUTTONS_SCRIPT = """
watch('value', studyForm.rememberOrganiser);  // only organisers get jobs
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-job]');
  if (button) trigger('act', { job: Number(button.dataset.job), act: button.dataset.act });
});
"""
READINGS = {
    "The one that predicts best (auto)": AUTO,
    "The paper's": PAPER,
    "The paper's with the gains of both norms, without running the model": f"{PAPER_READING}+input-norm+final-norm",
}
FLAVORS = ("cpu-upgrade", "cpu-xl", "t4-small", "l4x1", "a10g-small", "a100-large")
HUB_MACHINE_HINT = (
    "<p>The Hub charges for the machine. It uploads the atlas to the dataset that you name above, and the atlas is "
    "shown here when it is there.</p>"
)
DESCRIPTIONS_FIELD = (
    "<p>A .csv, .tsv or .jsonl file with the columns head, input_strings, observed_pattern, and optionally describer, "
    "reasoning, support and mapping_hash; at most 1.5 MB.</p>"
    '<label>File <input type="file" accept=".csv,.tsv,.jsonl" id="descriptions-file"></label>'
)
UPLOAD_FIELD = (
    '<label>A model in one .gguf file <input type="file" accept=".gguf" id="upload-file"></label>'
    '<p id="upload-progress" role="status"></p>'
)
RELATION_FIELD = (
    "<label>Or from a file of at most 100 kB, with such lines or a JSON list of pairs "
    '<input type="file" accept=".json,.txt,.csv,.tsv" id="relation-file"></label>'
)
KEY_HINT = "Used for this job only, kept in memory, never stored. Empty: the key that the app was started with."


def key_field(name: str) -> gr.Textbox:
    return gr.Textbox(label="API key (optional)", type="password", max_length=500, info=KEY_HINT, elem_id=name)


def address_field() -> gr.Textbox:
    return gr.Textbox(label="Address of your own server (optional)", max_length=500)


def limit_field(name: str) -> gr.Textbox:
    return gr.Textbox(label="Spend at most (US dollars, optional)", max_length=10, elem_id=name)


class AddTab:
    """A model to be mapped; `fields` by name."""

    def __init__(self) -> None:
        fields: dict[str, Any] = {}
        with gr.Row():
            fields["model"] = gr.Textbox(
                label="Model",
                info="A Hub id such as Qwen/Qwen3-0.6B; on your own machine also a folder or a .gguf file",
                max_length=500,
                elem_id="model-name",
            )
            fields["revision"] = gr.Textbox(label="Revision (branch, tag or commit; optional)", max_length=200)
            fields["reading"] = gr.Dropdown(list(READINGS.items()), value=AUTO, label="Reading")
        with gr.Accordion("Upload a .gguf file", open=False):
            gr.HTML(UPLOAD_FIELD)
            self.ticket = gr.Textbox(visible="hidden")
            self.upload_button = gr.Button("Upload", elem_id="model-upload")
        with gr.Accordion("Own relation, and keeping the result on the Hub", open=False):
            fields["relation"] = gr.Textbox(label="Name of your own relation (optional)", max_length=60)
            fields["pairs"] = gr.Textbox(
                label="Its pairs, one per line",
                placeholder="France → Paris",
                lines=4,
                max_length=100_000,
                elem_id="relation-pairs",
            )
            gr.HTML(RELATION_FIELD)
            fields["repo"] = gr.Textbox(label="Upload the atlas to this dataset (user/name; optional)", max_length=200)
            fields["is_private"] = gr.Checkbox(True, label="Private dataset")
        with gr.Accordion("On a machine of the Hub instead, for models that do not fit here", open=False):
            gr.HTML(HUB_MACHINE_HINT)
            with gr.Row():
                fields["flavor"] = gr.Dropdown(
                    list(FLAVORS), value=FLAVORS[0], allow_custom_value=True, label="Machine", elem_id="hub-machine"
                )
                fields["time_limit"] = gr.Textbox("3h", label="At most this long", max_length=10)
            with gr.Row():
                self.price_button = gr.Button("Show its price", elem_id="hub-price")
                self.hub_button = gr.Button("Map there", elem_id="hub-start")
        self.fields = fields
        with gr.Row():
            self.check_button = gr.Button("Check what it takes", elem_id="model-check")
            self.start_button = gr.Button("Map this model", variant="primary", elem_id="model-start")
        self.message = gr.HTML(elem_id="model-message")


class DescribeTab:
    """A describer and the atlas that it describes; `fields` by name."""

    def __init__(self, models: list[str]) -> None:
        fields: dict[str, Any] = {}
        with gr.Row():
            fields["atlas"] = atlas_field(models, "describe-atlas")
            fields["name"] = gr.Dropdown(
                [OFFLINE, "gpt-4o"],
                value=OFFLINE,
                allow_custom_value=True,
                label="Describer",
                info="offline (rules), a model of an OpenAI-compatible server, or hf:MODEL on the Hub's router",
                elem_id="describer-name",
            )
        with gr.Row():
            fields["url"] = address_field()
            fields["key"] = key_field("describer-key")
            fields["max_cost"] = limit_field("describer-limit")
        fields["operations"] = gr.Checkbox(False, label="Describe the operations of heads that have several, too")
        self.fields = fields
        with gr.Accordion("Descriptions from a file instead", open=False):
            gr.HTML(DESCRIPTIONS_FIELD)
            self.file_text = gr.Textbox(visible="hidden")
            self.file_button = gr.Button("Store them", elem_id="describe-file")
        with gr.Row():
            self.price_button = gr.Button("Show question and price", elem_id="describe-price")
            self.trial_button = gr.Button("Try on five heads", elem_id="describe-trial")
            self.start_button = gr.Button("Describe all heads", variant="primary", elem_id="describe-start")
            self.answers_button = gr.Button("Show its answers", elem_id="describe-answers")
        self.message = gr.HTML(elem_id="describe-message")


class HeadTab:
    """One head: another answer of a describer, or a description by hand."""

    def __init__(self, models: list[str]) -> None:
        fields: dict[str, Any] = {}
        with gr.Row():
            fields["atlas"] = atlas_field(models, "one-atlas")
            fields["head"] = gr.Textbox(label="Head, such as L23H4", max_length=12, elem_id="one-head")
        with gr.Row():
            fields["name"] = gr.Textbox("gpt-4o", label="Describer to ask again", max_length=200, elem_id="one-name")
            fields["url"] = address_field()
            fields["key"] = key_field("one-key")
        self.ask_button = gr.Button("Ask again", elem_id="one-ask")
        with gr.Row():
            fields["author"] = gr.Textbox(label="Or by hand: your name, shown as the describer", max_length=60)
            fields["input_strings"] = gr.Textbox(
                label="Input strings, one sentence or Unclear", max_length=2_000, elem_id="one-inputs"
            )
            fields["observed_pattern"] = gr.Textbox(
                label="Observed pattern, one sentence or Unclear", max_length=2_000, elem_id="one-pattern"
            )
        self.save_button = gr.Button("Save as a description of its own", elem_id="one-save")
        self.fields = fields
        self.message = gr.HTML(elem_id="one-message")


class EvidenceTab:
    """What is measured about the descriptions of an atlas; `fields` by name."""

    def __init__(self, models: list[str]) -> None:
        fields: dict[str, Any] = {}
        with gr.Row():
            fields["atlas"] = atlas_field(models, "evidence-atlas")
            fields["name"] = gr.Textbox(
                label="Model that recognises mappings by a description (optional)",
                info="As for describers; empty: only the measures that need none",
                max_length=200,
                elem_id="scorer-name",
            )
            fields["url"] = address_field()
        with gr.Row():
            fields["key"] = key_field("scorer-key")
            fields["max_cost"] = limit_field("scorer-limit")
            fields["sample"] = gr.Textbox(label="Only this many heads (optional)", max_length=6)
        fields["predict"] = gr.Checkbox(True, label="Predict mappings from descriptions, and rank them")
        fields["first"] = gr.Textbox(
            label="Describer that is shown first (empty: the reference, language models, rules)",
            max_length=200,
            elem_id="first-describer",
        )
        self.fields = fields
        with gr.Row():
            self.start_button = gr.Button("Measure", variant="primary", elem_id="evidence-start")
            self.table_button = gr.Button("Compare the describers", elem_id="evidence-table")
            self.first_button = gr.Button("Show this describer first", elem_id="evidence-first")
        self.message = gr.HTML(elem_id="evidence-message")


class UploadTab:
    """Where an atlas is uploaded to; `fields` by name."""

    def __init__(self, models: list[str]) -> None:
        with gr.Row():
            self.fields: dict[str, Any] = {
                "atlas": atlas_field(models, "upload-atlas"),
                "repo": gr.Textbox(label="Dataset (user/name)", max_length=200, elem_id="upload-repo"),
                "is_private": gr.Checkbox(True, label="Private dataset"),
            }
        self.start_button = gr.Button("Upload", variant="primary", elem_id="upload-start")
        self.message = gr.HTML(elem_id="upload-message")


def atlas_field(models: list[str], name: str) -> gr.Dropdown:
    return gr.Dropdown(models, value=next(iter(models), None), label="Model", allow_custom_value=True, elem_id=name)


class ModelsPage:
    """The list for visitors, and for organisers the jobs and the tabs that start them."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.organiser_token = organiser_token_state()
        models = list(services.atlases)
        self.models = gr.HTML(elem_id="models")
        with gr.Column(visible=False, elem_id="jobs-column") as self.content_column:
            gr.HTML("<h2>Jobs</h2>")
            self.jobs = gr.HTML(js_on_load=JOB_BUTTONS_SCRIPT, elem_id="jobs")
            self.resume_key = gr.Textbox(
                label="Key for a job that asks for it again", type="password", max_length=500, visible=False
            )
            self.timer = gr.Timer(REFRESH_SECONDS, active=False)
            with gr.Tabs() as self.tabs:
                with gr.Tab("Add a model", id="add"):
                    self.add = AddTab()
                with gr.Tab("Describe"):
                    self.describe = DescribeTab(models)
                with gr.Tab("One head", id="head"):
                    self.head = HeadTab(models)
                with gr.Tab("Evidence"):
                    self.evidence = EvidenceTab(models)
                with gr.Tab("Keep on the Hub"):
                    self.upload = UploadTab(models)

    @property
    def atlas_fields(self) -> list[gr.Dropdown]:
        return [tab.fields["atlas"] for tab in (self.describe, self.head, self.evidence, self.upload)]

    def refresh_outputs(self) -> list[Block]:
        """The components that `handlers.page_updates` updates."""
        return [self.models, self.jobs, self.timer, self.resume_key, *self.atlas_fields]
