"""What the parts of a report of experiments have in common: numbers, settings and published figures as text."""

from __future__ import annotations

from pathlib import Path

from maps.experiments.report.html import Table
from maps.experiments.report.paper_figures import of_relation, published_name
from maps.experiments.results import Result
from maps.text import words

SETTINGS = ("model", "revision", "k", "tau", "min_pairs", "first_mlp", "final_norm", "dtype", "layers", "seed")


def finished(folder: Path, experiment: str) -> Result | None:
    """The result in a folder; None where the experiment was not finished there."""
    return Result.read(folder, experiment) if (folder / f"{experiment}.json").exists() else None


def settings_of(result: Result) -> dict[str, str]:
    """What the run was asked for, in words; what was left at its default is not repeated."""
    given = result.settings
    found = {name: str(given[name]) for name in SETTINGS if given.get(name) is not None}
    return found | ({"prompts": "; ".join(given["prompts"])} if "prompts" in given else {})


def left_out(result: Result) -> Table | None:
    """What has no row, and why."""
    rows = [(words(each.relation), f"{each.pairs:,}", each.reason) for each in result.left_out]
    name = f"{result.experiment}_left_out"
    return Table(name, "Relations that were left out", ("Relation", "Pairs", "Reason"), rows) if rows else None


def number(value: float | None, digits: int = 2) -> str:
    """A number of a table; a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.0f} %"


def p_value(value: float | None) -> str:
    """A p-value: two digits, as a power of ten where it is small."""
    return "–" if value is None else "< 1e-300" if value < 1e-300 else f"{value:.2g}"


def beside(experiment: str, relation: str, column: str, model: str) -> str:
    """What was published of the model itself, else of how many others, from the lowest to the highest."""
    found = of_relation(experiment, relation, column)
    own = published_name(model)
    if own is not None:
        return number(found.get(own))
    if not found:
        return "–"
    return f"{min(found.values()):.2f} to {max(found.values()):.2f} ({len(found)})"
