"""The report of the experiments in a folder: tables, LaTeX, figures, and a page that stands alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from maps.atlas.random_csv import read_random_csv
from maps.experiments.report.causal import causal_part
from maps.experiments.report.claims import claims_part
from maps.experiments.report.correlation import correlation_part
from maps.experiments.report.extensions import attention_part, biases_part, directions_part, known_heads_part
from maps.experiments.report.html import ReportPart, ReportTable, latex_table, report_html
from maps.figures import render
from maps.figures.experiments import random_head_curves
from maps.figures.style import vega_spec
from maps.files.atomic import read_json, write_file
from maps.text import escape_invisible, pluralize
from maps.types import TAU


def write_experiments_report(folder: Path) -> Path:
    """Writes the report of all finished experiments in a folder and returns its page; files there are replaced."""
    parts = [part for read in REPORT_PARTS.values() if (part := read(folder)) is not None]
    figures = {name: figure for part in parts for name, figure in part.figures.items()}
    drawn = {name: render.render_svg(figure) for name, figure in figures.items()} if render.can_draw() else {}
    for name, figure in figures.items():
        write_file(folder / f"{name}.vl.json", (json.dumps(figure, indent=1) + "\n").encode())
    for name, picture in drawn.items():
        write_file(folder / f"{name}.svg", picture.encode())
    for part in parts:
        for table in part.tables:
            write_file(folder / f"{table.name}.tex", latex_table(table).encode())
    models = list(dict.fromkeys(part.settings["model"] for part in parts if "model" in part.settings))
    title = f"The paper's experiments on {', '.join(map(escape_invisible, models))}"
    write_file(folder / "report.html", report_html(title, parts, drawn).encode())
    return folder / "report.html"


def random_baseline_part(folder: Path) -> ReportPart | None:
    """The part of `evaluate random`."""
    rows = read_random_csv(folder)
    if not rows:
        return None
    lines = [(f"{row['tau']:g}", f"{row['trained_heads']:,}", f"{row['random_heads']:,}") for row in rows]
    asked = read_json(folder / "random.parts" / "settings.json") or read_json(folder / "atlas.json") or {}
    model = str(asked.get("model", "the model"))
    table = ReportTable(
        "random_heads", "Heads that pass the threshold", ("τ", "Heads of the model", "Random heads"), lines
    )
    at = [row for row in rows if row["tau"] == TAU] or rows
    said = [
        f"At τ = {at[0]['tau']:g} {pluralize(at[0]['trained_heads'], 'head')} of the model pass, and "
        f"{at[0]['random_heads']:,} of as many random ones."
    ]
    figures = {"random": vega_spec(random_head_curves(rows, model))}
    return ReportPart("Would random heads do it?", said, [table], figures, {"model": model})


REPORT_PARTS: dict[str, Callable[[Path], ReportPart | None]] = {
    "claims": claims_part,
    "correlation": correlation_part,
    "multi-token": lambda folder: correlation_part(folder, "multi_token"),
    "causal": causal_part,
    "random": random_baseline_part,
    "known-heads": known_heads_part,
    "directions": directions_part,
    "attention": attention_part,
    "biases": biases_part,
}
