"""The rates on true items and on controls."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.statistics.rates import RATE_DEFINITIONS, AcceptanceRates, compare_with_controls
from annotation.types import Judgment

Judge = Callable[..., Judgment]


def found(judgments: list[Judgment]) -> dict[str, AcceptanceRates]:
    table = select_counted_judgments(judgments_to_frame(judgments))
    return compare_with_controls(table.rows, table.controls)


def test_rates_on_controls_are_the_level_of_chance(judge: Judge) -> None:
    rows = [judge(f"t{n}", layer=n) for n in range(4)]
    rows += [
        judge(f"s{n}", layer=n, item_kind="swapped", presence="absent_described", precision=None, category=None)
        for n in range(3)
    ]
    rows += [judge("s3", layer=3, item_kind="swapped", precision="poor")]
    kinds = found(rows)
    assert {kind: (each.items, each.judgments) for kind, each in kinds.items()} == {
        "true": (4, 4),
        "swapped": (4, 4),
        "shuffled": (0, 0),
    }
    values = {
        kind: {name: each.rates[name].value for name in ("recognised", "accurate", "correct")}
        for kind, each in kinds.items()
    }
    assert values == {
        "true": {"recognised": 1.0, "accurate": 1.0, "correct": 1.0},
        "swapped": {"recognised": 0.25, "accurate": 0.0, "correct": 0.25},
        "shuffled": {"recognised": None, "accurate": None, "correct": None},
    }
    swapped = kinds["swapped"].rates["recognised"]
    assert (swapped.count, swapped.n, swapped.items) == (1, 4, 4)


def test_a_superseded_control_counts_nowhere(judge: Judge) -> None:
    rows = [judge("1", item_kind="shuffled"), judge("2", item_kind="shuffled", supersedes="1", presence="absent_none")]
    shuffled = found(rows)["shuffled"]
    assert (shuffled.judgments, shuffled.rates["recognised"].value) == (1, 0.0)


@pytest.mark.parametrize("name", RATE_DEFINITIONS)
def test_a_rate_says_why_it_is_undefined(name: str) -> None:
    rate = found([])["true"].rates[name]
    assert (rate.value, rate.reason) == (None, RATE_DEFINITIONS[name].empty_base_reason)
