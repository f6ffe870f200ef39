"""How often describers see a pattern."""

from __future__ import annotations

from typing import Any

from maps.analysis.identification import identification_rates
from maps.types import HeadId

HEADS = [HeadId(0, 0), HeadId(0, 1), HeadId(2, 0)]
STALE = {"b L2H0"}


def row(head: HeadId, describer: str, exact: bool, paper: bool) -> dict[str, Any]:
    return {
        "layer": head.layer,
        "head": head.head,
        "describer": describer,
        "pattern": exact,
        "pattern_paper": paper,
        "description_id": f"{describer} {head}",
    }


def test_both_readings_are_counted_by_layer_and_stale_descriptions_are_not() -> None:
    current = [
        row(HEADS[0], "b", True, False),
        row(HEADS[1], "b", True, True),
        row(HEADS[2], "b", True, True),
        row(HEADS[2], "a", False, False),
    ]
    rates = identification_rates(HEADS, current, STALE)
    names = ("describer", "layer", "heads", "described", "stale", "patterns", "rate", "patterns_paper", "rate_paper")
    assert tuple(rates.column_names) == names
    assert [tuple(each.values()) for each in rates.to_pylist()] == [
        ("a", None, 3, 1, 0, 0, 0.0, 0, 0.0),
        ("a", 0, 2, 0, 0, 0, None, 0, None),
        ("a", 2, 1, 1, 0, 0, 0.0, 0, 0.0),
        ("b", None, 3, 2, 1, 2, 1.0, 1, 0.5),
        ("b", 0, 2, 2, 0, 2, 1.0, 1, 0.5),
        ("b", 2, 1, 0, 1, 0, None, 0, None),
    ]


def test_without_descriptions_there_is_no_row() -> None:
    assert identification_rates(HEADS, [], STALE).num_rows == 0
