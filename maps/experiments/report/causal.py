"""The part of the report on what becomes of a task when heads are removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from maps.experiments.report.format import finished, left_out, number, percent, settings_of
from maps.experiments.report.html import Part, Table
from maps.experiments.report.paper_figures import by_model, published_name
from maps.figures.experiments import removals
from maps.figures.style import spec
from maps.text import words

Rows = list[dict[str, Any]]
LARGE = 0.48  # the drop of accuracy that the paper found for every relation in Pythia 12B


def causal_part(folder: Path) -> Part | None:
    """The part of `evaluate causal`."""
    result = finished(folder, "causal")
    if result is None:
        return None
    model = str(result.settings["model"])
    head = (
        *("Relation", "Pairs", "Heads removed", "Base", "− relation heads", "− random heads", "Controls"),
        *("Control base", "− relation heads, control"),
    )
    rows = [
        (
            words(row["relation"]),
            f"{row['pairs']:,}",
            f"{row['heads_removed']:,}",
            number(row["base"]),
            number(row["relation_heads_removed"]),
            deviating(row["random_heads_removed"], row["random_sd"]),
            f"{row['control_tasks']}",
            deviating(row["control_base"], row["control_base_sd"]),
            deviating(row["control_relation_heads_removed"], row["control_sd"]),
        )
        for row in result.rows
    ]
    tables = [Table("causal_accuracy", "Accuracy before and after heads are removed", head, rows)]
    tables += [*published_table(result.rows, model), *([left] if (left := left_out(result)) else [])]
    curves = {row["relation"]: curves_of(result.detail(row["relation"])) for row in result.rows}
    figures = {"causal": spec(removals(curves, model))} if curves else {}
    sentences = causal_sentences(result.rows)
    return Part("What becomes of a task without its heads", sentences, tables, figures, settings_of(result))


def deviating(value: float | None, deviation: float | None) -> str:
    """A mean with its standard deviation."""
    return "–" if value is None else number(value) if deviation is None else f"{value:.2f} ± {deviation:.2f}"


def published_table(rows: Rows, model: str) -> list[Table]:
    """The published accuracies of the model, or of all that are published: base, and without the relation's heads."""
    own, names = published_name(model), [row["relation"] for row in rows]
    found = {name: figures for name, figures in by_model("causal").items() if own in (None, name)}
    if not any(name in figures for figures in found.values() for name in names):
        return []
    lines = [(words(name), *(fallen(figures.get(name)) for figures in found.values())) for name in names]
    caption = "Published accuracies, and those without the relation's heads"
    return [Table("causal_published", caption, ("Relation", *found), lines)]


def fallen(row: dict[str, Any] | None) -> str:
    """A published accuracy before and after."""
    return "–" if row is None else f"{row['base']:.2f} → {row['relation_heads_removed']:.2f}"


def curves_of(detail: dict[str, Any]) -> dict[str, list[list[float]]]:
    """A relation's curves by kind."""
    controls = list(detail.get("controls", {}).values())
    found = {"relation heads": [detail["relation_heads"]], "random heads": detail["random_heads"]}
    return found | ({"relation heads, control tasks": controls} if controls else {})


class Losses(NamedTuple):
    """The shares of their accuracies that tasks lose, and what these are compared with, task by task."""

    own: list[float]
    others: list[float]

    @property
    def larger(self) -> int:
        """In how many tasks the first is the larger one."""
        return sum(own > other for own, other in zip(self.own, self.others, strict=True))


def lost(row: dict[str, Any], before: str, after: str) -> float:
    """The share of an accuracy that is lost, from 0 to 1."""
    return 1 - float(row[after]) / float(row[before])


def beside_random(rows: Rows) -> Losses:
    """What tasks lose without their relation's heads, and without as many random ones; tasks that have both."""
    known = [row for row in rows if row["random_heads_removed"] is not None]
    own = [lost(row, "base", "relation_heads_removed") for row in known]
    return Losses(own, [lost(row, "base", "random_heads_removed") for row in known])


def beside_controls(rows: Rows) -> Losses:
    """What tasks lose without their relation's heads, and what their control tasks do; tasks that have any."""
    known = [row for row in rows if row["control_tasks"] and row["control_base"]]
    own = [lost(row, "base", "relation_heads_removed") for row in known]
    return Losses(own, [lost(row, "control_base", "control_relation_heads_removed") for row in known])


def causal_sentences(rows: Rows) -> list[str]:
    """How many tasks lose more without their heads than without random ones."""
    random, controls = beside_random(rows), beside_controls(rows)
    large = sum(lost(row, "base", "relation_heads_removed") > LARGE for row in rows)
    return [
        f"In {random.larger} of {len(random.own)} tasks removing the relation's heads lowers the accuracy more than "
        f"removing as many random heads; in {large} of {len(rows)} more than {percent(LARGE)} of it is lost.",
        f"In {controls.larger} of {len(controls.own)} tasks that have a control the relation's own task loses the "
        "larger share.",
    ]
