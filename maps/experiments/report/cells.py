"""The paper's published values, and what the parts of the report show as text: numbers, values and settings.

`maps/data/published.json` names the source of the published values.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from maps.experiments.report.html import ReportTable
from maps.experiments.results import Result
from maps.text import relation_label

SHOWN_SETTINGS = (
    *("model", "revision", "k", "tau", "min_pairs", "reading", "calibration", "dtype", "layers", "seed"),
    *("heads", "directions"),
)
PAPER_NAMES = {  # by the model's name on the Hub, without its owner and in lower case
    "gpt2-xl": "GPT-2 xl",
    "pythia-6.9b": "Pythia 6.9B",
    "pythia-12b": "Pythia 12B",
    "llama-3.1-8b": "Llama-3.1 8B",
    "meta-llama-3.1-8b": "Llama-3.1 8B",
    "llama-3.1-70b": "Llama-3.1 70B",
    "meta-llama-3.1-70b": "Llama-3.1 70B",
}

Figures = dict[str, Any]  # by the names of the experiment's columns


@cache
def figures_by_model(experiment: str) -> dict[str, dict[str, Figures]]:
    """An experiment's published values by model and relation; empty if there are none."""
    text = (resources.files("maps") / "data" / "published.json").read_text(encoding="utf-8")
    return json.loads(text).get(experiment, {})


def relation_figures(experiment: str, relation: str, column: str) -> dict[str, float]:
    """One column's published values for a relation, by model."""
    values = {name: rows.get(relation, {}).get(column) for name, rows in figures_by_model(experiment).items()}
    return {name: value for name, value in values.items() if value is not None}


def published_model_name(model: str) -> str | None:
    """The paper's name of a model; None for a model that is not in the paper."""
    return PAPER_NAMES.get(model.rstrip("/").rsplit("/", 1)[-1].lower())


def settings_text(settings: dict[str, Any]) -> dict[str, str]:
    """The settings of a run by name; those without a value are left out."""
    texts = {name: str(settings[name]) for name in SHOWN_SETTINGS if settings.get(name) not in (None, [])}
    return texts | ({"prompts": "; ".join(settings["prompts"])} if "prompts" in settings else {})


def left_out_tables(result: Result) -> list[ReportTable]:
    """The table of the relations without a row, with the reason; no table when there are none."""
    rows = [(relation_label(each.relation), f"{each.pairs:,}", each.reason) for each in result.left_out_relations]
    name, header = f"{result.experiment}_left_out", ("Relation", "Pairs", "Reason")
    return [ReportTable(name, "Relations that were left out", header, rows)] if rows else []


def number(value: float | None) -> str:
    """A number of a table, or a dash when it is undefined."""
    return "–" if value is None else f"{value:.2f}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def p_value(value: float | None) -> str:
    """A p-value with two digits, as a power of ten if it is small."""
    if value is None:
        return "–"
    return "< 1e-300" if value < 1e-300 else f"{value:.2g}"


def published_value(experiment: str, relation: str, column: str, model: str) -> str:
    """The published value of the model, or the range of the published models: `0.85 to 0.98 (5)`."""
    values = relation_figures(experiment, relation, column)
    name = published_model_name(model)
    if name is not None:
        return number(values.get(name))
    if not values:
        return "–"
    return f"{min(values.values()):.2f} to {max(values.values()):.2f} ({len(values)})"
