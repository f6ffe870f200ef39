"""The part of the report on the accuracy of tasks when heads are removed."""

from __future__ import annotations

from typing import Any, NamedTuple

from maps.experiments.report import cells
from maps.experiments.report.html import ReportPart, ReportTable
from maps.experiments.results import Result
from maps.figures.experiments import ablation_curves
from maps.figures.style import Rows, vega_spec
from maps.text import pluralize, relation_label

LARGE_LOSS = 0.48  # every relation in Pythia 12B lost more than this share of its accuracy (section 4.3)


def causal_part(result: Result) -> ReportPart:
    model = str(result.settings["model"])
    header = (
        *("Relation", "Pairs", "Heads removed", "Base", "− relation heads", "− random heads", "Controls"),
        *("Control base", "− relation heads, control"),
    )
    rows = [
        (
            relation_label(row["relation"]),
            f"{row['pairs']:,}",
            f"{row['heads_removed']:,}",
            cells.number(row["base"]),
            cells.number(row["relation_heads_removed"]),
            format_with_deviation(row["random_heads_removed"], row["random_sd"]),
            f"{row['control_tasks']}",
            format_with_deviation(row["control_base"], row["control_base_sd"]),
            format_with_deviation(row["control_relation_heads_removed"], row["control_sd"]),
        )
        for row in result.rows
    ]
    tables = [
        ReportTable("causal_accuracy", "Accuracy before and after heads are removed", header, rows),
        *published_accuracy_tables(result.rows, model),
        *cells.left_out_tables(result),
    ]
    curves = {row["relation"]: curves_by_kind(result.detail(row["relation"])) for row in result.rows}
    figures = {"causal": vega_spec(ablation_curves(curves, model))} if curves else {}
    sentences, settings = causal_sentences(result.rows), cells.settings_text(result.settings)
    return ReportPart("Tasks without the heads of their relation", sentences, tables, figures, settings)


def format_with_deviation(value: float | None, deviation: float | None) -> str:
    if value is None or deviation is None:
        return cells.number(value)
    return f"{value:.2f} ± {deviation:.2f}"


def published_accuracy_tables(rows: Rows, model: str) -> list[ReportTable]:
    """The published accuracies of the model, or of all published models when it is none of them; [] without any."""
    own, names = cells.published_model_name(model), [row["relation"] for row in rows]
    published = {name: figures for name, figures in cells.figures_by_model("causal").items() if own in (None, name)}
    if not any(name in figures for figures in published.values() for name in names):
        return []
    lines = [
        (relation_label(name), *(format_accuracy_drop(figures.get(name)) for figures in published.values()))
        for name in names
    ]
    caption = "Published accuracies before and after the relation's heads are removed"
    return [ReportTable("causal_published", caption, ("Relation", *published), lines)]


def format_accuracy_drop(row: dict[str, Any] | None) -> str:
    return "–" if row is None else f"{row['base']:.2f} → {row['relation_heads_removed']:.2f}"


def curves_by_kind(detail: dict[str, Any]) -> dict[str, list[list[float]]]:
    curves = {"relation heads": [detail["relation_heads"]], "random heads": detail["random_heads"]}
    controls = list(detail.get("controls", {}).values())
    return {**curves, "relation heads, control tasks": controls} if controls else curves


class TaskLosses(NamedTuple):
    """The share of its accuracy that each task loses, and the loss that it is compared with."""

    own_losses: list[float]
    other_losses: list[float]

    @property
    def larger_count(self) -> int:
        """The number of tasks with the larger own loss."""
        return sum(own > other for own, other in zip(self.own_losses, self.other_losses, strict=True))


def lost_share(row: dict[str, Any], before: str, after: str) -> float:
    """The share of an accuracy that is lost: 1 - after / before."""
    return 1 - float(row[after]) / float(row[before])


def compared_losses(rows: Rows) -> tuple[TaskLosses, TaskLosses]:
    """Losses without the relation's heads, compared with losses without as many random heads, and of control tasks."""

    def compare(known: Rows, before: str, after: str) -> TaskLosses:
        own = [lost_share(row, "base", "relation_heads_removed") for row in known]
        return TaskLosses(own, [lost_share(row, before, after) for row in known])

    with_random = [row for row in rows if row["random_heads_removed"] is not None]
    with_controls = [row for row in rows if row["control_tasks"] and row["control_base"]]
    random = compare(with_random, "base", "random_heads_removed")
    return random, compare(with_controls, "control_base", "control_relation_heads_removed")


def causal_sentences(rows: Rows) -> list[str]:
    """In how many tasks the relation's heads matter more than random heads, and more than in other tasks."""
    random, controls = compared_losses(rows)
    large = sum(lost_share(row, "base", "relation_heads_removed") > LARGE_LOSS for row in rows)
    return [
        f"In {random.larger_count} of {len(random.own_losses)} tasks, removing the relation's heads lowers the "
        f"accuracy more than removing as many random heads. {large} of {pluralize(len(rows), 'task')} lose more than "
        f"{cells.percent(LARGE_LOSS)} of their accuracy.",
        f"In {controls.larger_count} of {len(controls.own_losses)} tasks with controls, the relation's own task loses "
        "a larger share of its accuracy than the controls.",
    ]
