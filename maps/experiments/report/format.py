"""Numbers, settings and published values as text, for all parts of the report."""

from __future__ import annotations

from maps.experiments.report.html import ReportTable
from maps.experiments.report.paper_figures import published_model_name, relation_figures
from maps.experiments.results import Result
from maps.text import relation_label

SHOWN_SETTINGS = ("model", "revision", "k", "tau", "min_pairs", "first_mlp", "final_norm", "dtype", "layers", "seed")


def result_settings_text(result: Result) -> dict[str, str]:
    """The settings of a run by name; those without a value are left out."""
    settings = result.settings
    texts = {name: str(settings[name]) for name in SHOWN_SETTINGS if settings.get(name) is not None}
    return texts | ({"prompts": "; ".join(settings["prompts"])} if "prompts" in settings else {})


def left_out_table(result: Result) -> ReportTable | None:
    """The relations without a row, with the reason; None when there are none."""
    rows = [(relation_label(each.relation), f"{each.pairs:,}", each.reason) for each in result.left_out_relations]
    name = f"{result.experiment}_left_out"
    return ReportTable(name, "Relations that were left out", ("Relation", "Pairs", "Reason"), rows) if rows else None


def format_number(value: float | None) -> str:
    """A number of a table, or a dash when it is undefined."""
    return "–" if value is None else f"{value:.2f}"


def format_percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def format_p_value(value: float | None) -> str:
    """A p-value with two digits, as a power of ten if it is small."""
    if value is None:
        return "–"
    return "< 1e-300" if value < 1e-300 else f"{value:.2g}"


def format_published(experiment: str, relation: str, column: str, model: str) -> str:
    """The published value of the model, or the range of the published models: `0.85 to 0.98 (5)`."""
    values = relation_figures(experiment, relation, column)
    name = published_model_name(model)
    if name is not None:
        return format_number(values.get(name))
    if not values:
        return "–"
    return f"{min(values.values()):.2f} to {max(values.values()):.2f} ({len(values)})"
