"""Documents about a study for its reviewers: the frozen plan, and the datasheet with a checklist."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

import gradio as gr

from annotation.study.study import DEFAULT_STUDY, Study
from maps.errors import MapsError
from space.components.markup import Html, join_html, notice
from space.jobs.job import ANNOTATION, Step
from space.pages.organise import adjudication
from space.pages.organise.studies import parse_amount
from space.services import Services
from space.web.downloads import one_time_link
from space.web.organisers import connect_buttons
from space.web.sessions import Annotator
from space.web.updates import Inputs, Updates, inputs_of

SECONDS = 300.0  # for one document
HINT = (
    "<h2>Documents for reviewers</h2><p>The preregistration is the plan of the study with its time and a hash of the "
    "items; it is written once and never replaced. Freeze it, and publish the file, before the first answer. The "
    "datasheet (HEDS 3.0, as JSON and LaTeX) and the checklist are filled in from the study and its answers so far.</p>"
)


class DocumentsSection:
    """What the documents assume about pay, and the buttons that make them."""

    def __init__(self) -> None:
        gr.HTML(HINT)
        with gr.Row():
            self.hourly_rate = gr.Number(0, label="Pay for an hour (0: unpaid)", min_width=160)
            self.fee = gr.Number(0, label="Fees on the pay, in %", min_width=160)
            self.preregister_button = gr.Button("Freeze the preregistration", elem_id="preregister")
            self.datasheet_button = gr.Button("Download datasheet and checklist", elem_id="datasheet")
        self.message = gr.HTML(elem_id="documents-message")


class HasDocuments(Protocol):
    """The part of the organiser's page that this module uses."""

    services: Services
    organiser_token: gr.BrowserState
    selection: gr.Textbox
    documents: DocumentsSection


def connect_documents(here: HasDocuments) -> None:
    section = here.documents
    inputs = inputs_of(here.organiser_token, here.selection, section.hourly_rate, section.fee)
    handlers = {section.preregister_button: preregister, section.datasheet_button: make_datasheet}
    connect_buttons(here, section.message, inputs, handlers)


def preregister(page: HasDocuments, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Freezes the plan of the study that is shown, unless it was frozen before; offers the file in either case."""
    services, study = page.services, created_study(page, inputs)
    frozen = services.data_folder / "preregistrations" / f"{study.name}.md"
    said = Html("")
    if not frozen.is_file():
        said = join_html(notice(line, "receipt") for line in run_command(page, inputs, study, "preregister"))
    return {page.documents.message: said + one_time_link(services, lambda folder: Path(shutil.copy(frozen, folder)))}


def make_datasheet(page: HasDocuments, _organiser: Annotator, inputs: Inputs) -> Updates:
    """The datasheet and the checklist as one archive, and which questions are left to the organiser."""
    study = created_study(page, inputs)
    lines: list[str] = []

    def write(folder: Path) -> Path:
        name = f"{study.name}-documents"
        lines.extend(run_command(page, inputs, study, "datasheet", "--out", str(folder / name)))
        archive = shutil.make_archive(str(folder / name), "zip", folder, name)
        shutil.rmtree(folder / name)
        return Path(archive)

    link = one_time_link(page.services, write)
    return {page.documents.message: link + join_html(map(notice, lines[1:]))}  # the first line names the folder


def created_study(page: HasDocuments, inputs: Inputs) -> Study:
    study = adjudication.selected_study(page.services, inputs[page.selection])
    if study.name == DEFAULT_STUDY:
        raise MapsError("The open mode has no plan. Choose a study that was created.")
    return study


def run_command(page: HasDocuments, inputs: Inputs, study: Study, action: str, *more: str) -> list[str]:
    """The lines that the command `annotation study ACTION` prints."""
    rate = parse_amount("The pay for an hour", inputs[page.documents.hourly_rate] or 0)
    fee = parse_amount("The fee", inputs[page.documents.fee] or 0) / 100
    data = f"--data={page.services.data_folder.resolve()}"
    paid = (f"--hourly-rate={rate}", f"--fee={fee}") if rate else ()
    step = Step("Documents", ("study", action, study.name, data, *paid, *more), program=ANNOTATION)
    return page.services.jobs.run_now(step, {}, SECONDS)
