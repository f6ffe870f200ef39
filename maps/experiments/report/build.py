"""Writes the report of the experiments in a folder: a self-contained page, tables in LaTeX, and figures."""

from __future__ import annotations

import json
from pathlib import Path

from maps.atlas.random_csv import read_random_csv
from maps.experiments.layer_runs import ExperimentTables
from maps.experiments.report import extensions
from maps.experiments.report.causal import causal_part
from maps.experiments.report.claims import claims_part
from maps.experiments.report.correlation import correlation_part, multi_token_part
from maps.experiments.report.html import ReportPart, ReportTable, latex_table, report_html
from maps.experiments.results import Result
from maps.figures import render
from maps.figures.experiments import random_head_curves
from maps.figures.style import vega_spec
from maps.files.atomic import read_json, write_file
from maps.text import escape_invisible, pluralize
from maps.types import TAU

# By the name of the experiment: those with a row for each relation, and those that go through the layers.
RELATION_PARTS = {"correlation": correlation_part, "multi_token": multi_token_part, "causal": causal_part}
LAYER_PARTS = {
    "known_heads": extensions.known_heads_part,
    "directions": extensions.directions_part,
    "attention": extensions.attention_part,
    "biases": extensions.biases_part,
    "readings": extensions.readings_part,
}


def write_experiments_report(folder: Path) -> Path:
    """Writes the report of all finished experiments in a folder, replacing older files, and returns its page."""
    parts = finished_parts(folder)
    figures = {name: figure for part in parts for name, figure in part.figures.items()}
    pictures = {name: render.render_svg(figure) for name, figure in figures.items()} if render.can_draw() else {}
    for name, figure in figures.items():
        write_file(folder / f"{name}.vl.json", (json.dumps(figure, indent=1) + "\n").encode())
    for name, picture in pictures.items():
        write_file(folder / f"{name}.svg", picture.encode())
    for part in parts:
        for table in part.tables:
            write_file(folder / f"{table.name}.tex", latex_table(table).encode())
    models = list(dict.fromkeys(part.settings["model"] for part in parts if "model" in part.settings))
    title = f"The paper's experiments on {', '.join(map(escape_invisible, models))}"
    write_file(folder / "report.html", report_html(title, parts, pictures).encode())
    return folder / "report.html"


def finished_parts(folder: Path) -> list[ReportPart]:
    """The parts on all finished experiments in a folder, in the order of the page."""
    by_relation = {name: result for name in RELATION_PARTS if (result := Result.find(folder, name))}
    by_layer = {name: tables for name in LAYER_PARTS if (tables := ExperimentTables.find(folder, name))}
    parts = [
        claims_part(folder),
        *(RELATION_PARTS[name](result) for name, result in by_relation.items()),
        random_baseline_part(folder),
        *(LAYER_PARTS[name](tables) for name, tables in by_layer.items()),
    ]
    return [part for part in parts if part is not None]


def random_baseline_part(folder: Path) -> ReportPart | None:
    rows = read_random_csv(folder)
    if not rows:
        return None
    lines = [(f"{row['tau']:g}", f"{row['trained_heads']:,}", f"{row['random_heads']:,}") for row in rows]
    settings = read_json(folder / "random.parts" / "settings.json") or read_json(folder / "atlas.json") or {}
    model = str(settings.get("model", "the model"))
    columns = ("τ", "Heads of the model", "Random heads")
    table = ReportTable("random_heads", "Heads that pass the threshold", columns, lines)
    row = next((row for row in rows if row["tau"] == TAU), rows[0])
    sentence = (
        f"{pluralize(row['trained_heads'], 'head')} of the model and {pluralize(row['random_heads'], 'random head')} "
        f"pass τ = {row['tau']:g}; there are as many random heads as heads of the model."
    )
    figures = {"random": vega_spec(random_head_curves(rows, model))}
    return ReportPart("Do random heads pass the threshold?", [sentence], [table], figures, {"model": model})
