"""The organiser's tab that publishes a study: preview of the release, labels as a file, the dataset on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import gradio as gr

from annotation.export.files import write_table
from annotation.export.release import Release, make_release
from annotation.judges.store import judges_file, read_rows
from annotation.study.study import Study
from annotation.types import Judgment
from maps.errors import MapsError
from maps.hub.names import DATASET_NAME_PATTERN
from space.components.markup import Html, bullet_list, join_html, notice, table
from space.jobs.job import ANNOTATION, Step
from space.pages.organise import adjudication
from space.services import Services
from space.studies.current import answers_hidden_reason
from space.studies.results import find_stale_judgment_ids
from space.web.downloads import one_time_link
from space.web.organisers import connect_buttons
from space.web.sessions import Annotator
from space.web.updates import Inputs, Updates, inputs_of

PUBLISH_SECONDS = 600.0
LABELS_SHOWN = 20
LABEL_COLUMNS = ("layer", "head", "question", "n", "label", "majority", "adjudicated", "dawid_skene")
RUNNING_WARNING = "This study is still running. A public release shows its answers and tells controls from heads."
PUBLISH_HINT = (
    "<p>A release has three tables: what was judged, the answers under pseudonyms, and one label for each item and "
    "question. Answers of people who withdrew are left out.</p>"
)


class PublishTab:
    """Where a release goes, and what it will contain."""

    def __init__(self) -> None:
        gr.HTML(PUBLISH_HINT)
        with gr.Row():
            self.repo = gr.Textbox(label="Dataset on the Hub (user/name)", max_length=200, elem_id="release-repo")
            self.is_private = gr.Checkbox(True, label="Private dataset", elem_id="release-private")
        with gr.Row():
            self.preview_button = gr.Button("Preview", elem_id="release-preview")
            self.labels_button = gr.Button("Download the labels (CSV)", elem_id="release-labels")
            self.publish_button = gr.Button("Publish", variant="primary", elem_id="release-publish")
            self.public_button = gr.Button("Make the dataset public", elem_id="release-public")
        self.message = gr.HTML(elem_id="release-message")


class HasPublishTab(Protocol):
    """The part of the organiser's page that this module uses."""

    services: Services
    organiser_token: gr.BrowserState
    selection: gr.Textbox
    publish: PublishTab


def connect_publish_tab(here: HasPublishTab) -> None:
    tab = here.publish
    inputs = inputs_of(here.organiser_token, here.selection, tab.repo, tab.is_private)
    handlers = {
        tab.preview_button: preview_release,
        tab.labels_button: download_labels,
        tab.publish_button: publish_study,
        tab.public_button: make_release_public,
    }
    connect_buttons(here, tab.message, inputs, handlers)


def judged_study(page: HasPublishTab, inputs: Inputs) -> tuple[Study, list[Judgment]]:
    """The study that is shown, and its judgments; raises MapsError if there are none."""
    study = adjudication.selected_study(page.services, inputs[page.selection])
    rows = list(page.services.journal.all_judgments(study.name))
    if not rows:
        raise MapsError(f"Nobody has judged anything in {study.name} yet.")
    return study, rows


def release_of(page: HasPublishTab, inputs: Inputs) -> tuple[Study, Release]:
    """The study that is shown and its release, as it would be published now."""
    study, rows = judged_study(page, inputs)
    stale = find_stale_judgment_ids(page.services.whole_atlases, study, rows)
    repo = str(inputs[page.publish.repo] or "").strip() or "user/name"
    judge_rows = read_rows(judges_file(page.services.data_folder, study.name))
    return study, make_release(rows, study, repo, stale, judge_rows)


def preview_release(page: HasPublishTab, _organiser: Annotator, inputs: Inputs) -> Updates:
    """What the release would contain: what is left out and why, the first labels, and the card."""
    study, release = release_of(page, inputs)
    labels = release.labels.slice(0, LABELS_SHOWN)
    names = [name for name in LABEL_COLUMNS if name in labels.column_names]
    lines = [[cell_text(row[name]) for name in names] for row in labels.to_pylist()]
    warning = notice(RUNNING_WARNING, "problem") if answers_hidden_reason(page.services, study) else Html("")
    preview = Html(
        "{}{}<details open><summary>The first labels</summary>{}</details>"
        "<details><summary>The dataset's card</summary><pre>{}</pre></details>"
    ).format(warning, bullet_list(release.left_out), table(names, lines, "Labels"), release.card)
    return {page.publish.message: preview}


def cell_text(value: object) -> str:
    """A cell of the table of labels; a dash where there is no value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def download_labels(page: HasPublishTab, _organiser: Annotator, inputs: Inputs) -> Updates:
    study, release = release_of(page, inputs)

    def write(folder: Path) -> Path:
        path = folder / f"{study.name}-labels.csv"
        write_table(release.labels.to_pandas(), path)
        return path

    return {page.publish.message: one_time_link(page.services, write)}


def publish_study(page: HasPublishTab, _organiser: Annotator, inputs: Inputs) -> Updates:
    return run_publish(page, inputs, ("--private",) if inputs[page.publish.is_private] is True else ())


def make_release_public(page: HasPublishTab, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Publishes what is new, then lets everybody read the dataset."""
    return run_publish(page, inputs, ("--make-public",))


def run_publish(page: HasPublishTab, inputs: Inputs, options: tuple[str, ...]) -> Updates:
    """Runs the command `annotation publish`, which reads the ledger if there is one."""
    study, _ = judged_study(page, inputs)
    repo = str(inputs[page.publish.repo] or "").strip()
    if not DATASET_NAME_PATTERN.fullmatch(repo):
        raise MapsError("Name the dataset on the Hub: user/name.")
    data = str(page.services.data_folder.resolve())
    command = ["publish", "--to", repo, "--study", study.name, "--data", data, *options]
    atlas = page.services.whole_atlases.get(study.settings.model)
    if atlas is not None:
        command += ["--atlas", str(atlas.folder.resolve())]
    step = Step("Publishing", tuple(command), program=ANNOTATION)
    lines = page.services.jobs.run_now(step, {}, PUBLISH_SECONDS)
    return {page.publish.message: join_html(notice(line, "receipt") for line in lines)}
