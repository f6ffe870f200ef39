"""The part of the report on what becomes of a task when heads are removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from maps.experiments.report.format import (
    format_number,
    format_percent,
    left_out_table,
    result_settings_text,
)
from maps.experiments.report.html import ReportPart, ReportTable
from maps.experiments.report.paper_figures import figures_by_model, published_model_name
from maps.experiments.results import Result
from maps.figures.experiments import ablation_curves
from maps.figures.style import vega_spec
from maps.text import relation_label

Rows = list[dict[str, Any]]
LARGE_LOSS = 0.48  # the drop of accuracy that the paper found for every relation in Pythia 12B


def causal_part(folder: Path) -> ReportPart | None:
    """The part of `evaluate causal`."""
    result = Result.find(folder, "causal")
    if result is None:
        return None
    model = str(result.settings["model"])
    head = (
        *("Relation", "Pairs", "Heads removed", "Base", "− relation heads", "− random heads", "Controls"),
        *("Control base", "− relation heads, control"),
    )
    rows = [
        (
            relation_label(row["relation"]),
            f"{row['pairs']:,}",
            f"{row['heads_removed']:,}",
            format_number(row["base"]),
            format_number(row["relation_heads_removed"]),
            format_with_deviation(row["random_heads_removed"], row["random_sd"]),
            f"{row['control_tasks']}",
            format_with_deviation(row["control_base"], row["control_base_sd"]),
            format_with_deviation(row["control_relation_heads_removed"], row["control_sd"]),
        )
        for row in result.rows
    ]
    tables = [ReportTable("causal_accuracy", "Accuracy before and after heads are removed", head, rows)]
    tables += [*published_accuracy_tables(result.rows, model), *([left] if (left := left_out_table(result)) else [])]
    curves = {row["relation"]: curves_by_kind(result.detail(row["relation"])) for row in result.rows}
    figures = {"causal": vega_spec(ablation_curves(curves, model))} if curves else {}
    sentences = causal_sentences(result.rows)
    return ReportPart(
        "What becomes of a task without its heads", sentences, tables, figures, result_settings_text(result)
    )


def format_with_deviation(value: float | None, deviation: float | None) -> str:
    """A mean with its standard deviation."""
    return "–" if value is None else format_number(value) if deviation is None else f"{value:.2f} ± {deviation:.2f}"


def published_accuracy_tables(rows: Rows, model: str) -> list[ReportTable]:
    """The published accuracies of the model, or of all that are published: base, and without the relation's heads."""
    own, names = published_model_name(model), [row["relation"] for row in rows]
    found = {name: figures for name, figures in figures_by_model("causal").items() if own in (None, name)}
    if not any(name in figures for figures in found.values() for name in names):
        return []
    lines = [
        (relation_label(name), *(format_accuracy_drop(figures.get(name)) for figures in found.values()))
        for name in names
    ]
    caption = "Published accuracies, and those without the relation's heads"
    return [ReportTable("causal_published", caption, ("Relation", *found), lines)]


def format_accuracy_drop(row: dict[str, Any] | None) -> str:
    """A published accuracy before and after."""
    return "–" if row is None else f"{row['base']:.2f} → {row['relation_heads_removed']:.2f}"


def curves_by_kind(detail: dict[str, Any]) -> dict[str, list[list[float]]]:
    """A relation's curves by kind."""
    controls = list(detail.get("controls", {}).values())
    found = {"relation heads": [detail["relation_heads"]], "random heads": detail["random_heads"]}
    return found | ({"relation heads, control tasks": controls} if controls else {})


class TaskLosses(NamedTuple):
    """The shares of their accuracies that tasks lose, and what these are compared with, task by task."""

    own_losses: list[float]
    other_losses: list[float]

    @property
    def larger_count(self) -> int:
        """In how many tasks the first is the larger one."""
        return sum(own > other for own, other in zip(self.own_losses, self.other_losses, strict=True))


def lost_share(row: dict[str, Any], before: str, after: str) -> float:
    """The share of an accuracy that is lost, from 0 to 1."""
    return 1 - float(row[after]) / float(row[before])


def losses_against_random(rows: Rows) -> TaskLosses:
    """What tasks lose without their relation's heads, and without as many random ones; tasks that have both."""
    known = [row for row in rows if row["random_heads_removed"] is not None]
    own = [lost_share(row, "base", "relation_heads_removed") for row in known]
    return TaskLosses(own, [lost_share(row, "base", "random_heads_removed") for row in known])


def losses_against_controls(rows: Rows) -> TaskLosses:
    """What tasks lose without their relation's heads, and what their control tasks do; tasks that have any."""
    known = [row for row in rows if row["control_tasks"] and row["control_base"]]
    own = [lost_share(row, "base", "relation_heads_removed") for row in known]
    return TaskLosses(own, [lost_share(row, "control_base", "control_relation_heads_removed") for row in known])


def causal_sentences(rows: Rows) -> list[str]:
    """How many tasks lose more without their heads than without random ones."""
    random, controls = losses_against_random(rows), losses_against_controls(rows)
    large = sum(lost_share(row, "base", "relation_heads_removed") > LARGE_LOSS for row in rows)
    return [
        f"In {random.larger_count} of {len(random.own_losses)} tasks removing the relation's heads lowers the accuracy more than "
        f"removing as many random heads; in {large} of {len(rows)} more than {format_percent(LARGE_LOSS)} of it is lost.",
        f"In {controls.larger_count} of {len(controls.own_losses)} tasks that have a control the relation's own task loses the "
        "larger share.",
    ]
