"""The table `scores`: what the tests say of each description. Each test fills columns of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maps.atlas.append_log import write_atlas_table
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row, make_table

KEY = ("description_id", "scorer", "seed")
DETECTION_COLUMNS = (
    *("detection", "detection_low", "detection_high", "detection_swapped"),
    *("lookalike", "lookalike_low", "lookalike_high", "n", "reason"),
)
GENERATION_COLUMNS = (
    "generation",
    "generation_swapped",
    "generation_p",
    "generation_n",
    "generation_others",
    "generation_reason",
)


def replace_scores(atlas: Atlas, rows: Iterable[Row], columns: Sequence[str]) -> list[Row]:
    """Replaces one test's `columns` of all rows of `scores`, adds rows for new descriptions, and returns all rows.

    A row that no test fills any more is left out.
    """
    merged: dict[tuple[object, ...], Row] = {}
    for row in atlas.table("scores").to_pylist():
        merged[tuple(row[name] for name in KEY)] = row | dict.fromkeys(columns)
    for row in rows:
        key = tuple(row[name] for name in KEY)
        merged[key] = merged.get(key, {}) | row
    filled = [row for row in merged.values() if is_detection(row) or is_generation(row)]
    table = make_table("scores", filled)
    if filled or atlas.has_table("scores"):
        write_atlas_table(atlas, "scores", table)
    return filled


def is_detection(row: Row) -> bool:
    """Whether a row of `scores` holds a detection test, even one without a result."""
    return any(row.get(name) is not None for name in ("detection", "lookalike", "reason"))


def is_generation(row: Row) -> bool:
    """Whether a row of `scores` holds a generation test, even one without a result."""
    return row.get("generation_n") is not None
