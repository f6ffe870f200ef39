"""What organisers can do with descriptions: store a file, measure, compare describers, choose the one shown first."""

from __future__ import annotations

import json
from pathlib import Path

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.report.describers import describer_rows, describer_sentences
from maps.text import pluralize
from space.atlases.first_describer import choose_first_describer
from space.components.markup import bullet_list, notice, table
from space.jobs import recipes
from space.jobs.job import JobRequest
from space.pages.models.handlers import (
    chosen_atlas,
    own_folder,
    page_updates,
    positive_number,
    server_request,
    store_text,
    submit,
)
from space.pages.models.layout import ModelsPage
from space.web.sessions import Annotator
from space.web.updates import Inputs, Updates

FILE_ENDINGS = (".csv", ".tsv", ".jsonl")
MAX_FILE_CHARACTERS = 1_500_000
MEASURES = {
    "precision": "Precision",
    "recall": "Recall",
    "detection": "Recognised",
    "lookalike": "Among look-alikes",
    "generation": "Predicted",
}


def measure_evidence(page: ModelsPage, organiser: Annotator, inputs: Inputs) -> Updates:
    tab = page.evidence
    values = {name: inputs[field] for name, field in tab.fields.items()}
    scorer = server_request(values) if str(values["name"] or "").strip() else None
    sample = positive_number("The number of heads", values["sample"])
    folder = own_folder(page.services, values["atlas"])
    options = ("--no-random", *(("--predict",) if values["predict"] is True else ()))
    steps = recipes.evidence_steps(folder, scorer, int(sample) if sample else None, options)
    title = f"Measure evidence for {values['atlas']}" + (f" with {scorer.name}" if scorer else "")
    keys = scorer.keys if scorer else {}
    return submit(page, tab.message, JobRequest(title, str(folder), steps, organiser.pseudonym, keys))


def compare_describers(page: ModelsPage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """The describers of an atlas beside each other, and in sentences."""
    tab = page.evidence
    atlas = chosen_atlas(page.services, inputs[tab.fields["atlas"]])
    rows = describer_rows(atlas)
    if not rows:
        raise MapsError("Nobody has described a head of this model yet.")
    header = ("Describer", "Heads", "With a pattern", *MEASURES.values(), "Dollars per head")
    lines = [
        (
            row["describer"],
            f"{row['heads']:,}",
            f"{row['patterns']:,}",
            *(cell(row.get(name), 2) for name in MEASURES),
            cell(row["cost_usd"], 4),
        )
        for row in rows
    ]
    hint = notice("Precision and recall are of patterns, against the reference; the others are shares from 0 to 1.")
    shown = table(header, lines, "Describers") + hint + bullet_list(describer_sentences(rows))
    return {tab.message: shown}


def cell(value: float | None, decimals: int) -> str:
    """A number in the table; a dash where there is none."""
    return "–" if value is None else f"{value:.{decimals}f}"


def show_first(page: ModelsPage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Has a describer's descriptions shown before those of others."""
    tab = page.evidence
    name, model = str(inputs[tab.fields["first"]] or "").strip(), inputs[tab.fields["atlas"]]
    atlas = chosen_atlas(page.services, model)
    known = sorted({row["describer"] for row in atlas.descriptions()})
    if name and name not in known:
        raise MapsError(f"{name!r} has described no head of {model}. Describers: {', '.join(known) or 'none'}.")
    folder = own_folder(page.services, model)
    choose_first_describer(Atlas.open(folder), name)
    page.services.jobs.report_folder(folder)
    done = f"Descriptions by {name} are shown first." if name else "Descriptions are shown in the usual order."
    return page_updates(page) | {tab.message: notice(done, "receipt")}


def store_file(page: ModelsPage, _organiser: Annotator, inputs: Inputs) -> Updates:
    """Stores the descriptions in a file that the browser has read, all or none."""
    tab = page.describe
    sent = str(inputs[tab.file_text] or "")
    if not sent or len(sent) > MAX_FILE_CHARACTERS:
        raise MapsError("Choose a .csv, .tsv or .jsonl file of at most 1.5 MB.")
    try:
        file = json.loads(sent)
        ending, text = Path(str(file["name"])).suffix.lower(), str(file["text"])
    except (ValueError, KeyError, TypeError):
        raise MapsError("The file did not arrive whole. Choose it again.") from None
    if ending not in FILE_ENDINGS:
        raise MapsError("The file must be a .csv, .tsv or .jsonl file.")
    describer = str(inputs[tab.fields["name"]] or "").strip() or None
    stored = store_text(page.services, inputs[tab.fields["atlas"]], ending, text, describer)
    lines = [f"{name}: {pluralize(count, 'description')} stored." for name, count in stored.items()]
    return page_updates(page) | {tab.message: bullet_list(lines)}
