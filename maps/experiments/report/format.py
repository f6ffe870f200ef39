"""What the parts of a report of experiments have in common: numbers, settings and published figures as text."""

from __future__ import annotations

from maps.experiments.report.html import ReportTable
from maps.experiments.report.paper_figures import published_model_name, relation_figures
from maps.experiments.results import Result
from maps.text import relation_label

SHOWN_SETTINGS = ("model", "revision", "k", "tau", "min_pairs", "first_mlp", "final_norm", "dtype", "layers", "seed")


def result_settings_text(result: Result) -> dict[str, str]:
    """What the run was asked for, in words; what was left at its default is not repeated."""
    given = result.settings
    found = {name: str(given[name]) for name in SHOWN_SETTINGS if given.get(name) is not None}
    return found | ({"prompts": "; ".join(given["prompts"])} if "prompts" in given else {})


def left_out_table(result: Result) -> ReportTable | None:
    """What has no row, and why."""
    rows = [(relation_label(each.relation), f"{each.pairs:,}", each.reason) for each in result.left_out_relations]
    name = f"{result.experiment}_left_out"
    return ReportTable(name, "Relations that were left out", ("Relation", "Pairs", "Reason"), rows) if rows else None


def format_number(value: float | None, digits: int = 2) -> str:
    """A number of a table; a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def format_percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.0f} %"


def format_p_value(value: float | None) -> str:
    """A p-value: two digits, as a power of ten where it is small."""
    return "–" if value is None else "< 1e-300" if value < 1e-300 else f"{value:.2g}"


def format_published(experiment: str, relation: str, column: str, model: str) -> str:
    """What was published of the model itself, else of how many others, from the lowest to the highest."""
    found = relation_figures(experiment, relation, column)
    own = published_model_name(model)
    if own is not None:
        return format_number(found.get(own))
    if not found:
        return "–"
    return f"{min(found.values()):.2f} to {max(found.values()):.2f} ({len(found)})"
