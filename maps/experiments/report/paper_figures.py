"""The values that the paper published, for comparison; `maps/data/published.json` names their source."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

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
def published_figures() -> dict[str, Any]:
    """The file: for each experiment, the values by model and relation."""
    text = (resources.files("maps") / "data" / "published.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def figures_by_model(experiment: str) -> dict[str, dict[str, Figures]]:
    """An experiment's published values by model and relation; empty if there are none."""
    figures: dict[str, dict[str, Figures]] = published_figures().get(experiment, {})
    return figures


def relation_figures(experiment: str, relation: str, column: str) -> dict[str, float]:
    """One column's published values for a relation, by model."""
    values = {name: rows.get(relation, {}).get(column) for name, rows in figures_by_model(experiment).items()}
    return {name: value for name, value in values.items() if value is not None}


def published_model_name(model: str) -> str | None:
    """The paper's name of a model; None for a model that is not in the paper."""
    return PAPER_NAMES.get(model.rstrip("/").rsplit("/", 1)[-1].lower())
