"""Shares of judgments, with intervals that allow for the judgments of one item being alike."""

from __future__ import annotations

import numpy as np
import pytest

from annotation.statistics.bootstrap import ONE_ITEM_REASON, Counts
from annotation.statistics.clustered_rates import RateEstimate, design_effect, estimate_rate
from maps.distributions import wilson_interval

TRUE, FALSE = True, False


def estimate_share(hits: list[int], bases: list[int]) -> RateEstimate:
    """The rate of items with so many accepted of so many judgments."""
    items: Counts = np.repeat(np.arange(len(bases)), bases)
    accepted = np.concatenate([np.arange(base) < hit for hit, base in zip(hits, bases, strict=True)])
    return estimate_rate(accepted, np.ones_like(accepted), items, "nobody was asked")


def test_a_rate_is_counted_by_judgment() -> None:
    item = np.array([0, 0, 0, 1, 1, 2])
    accepted = np.array([TRUE, TRUE, TRUE, FALSE, FALSE, TRUE])
    asked = np.array([TRUE, TRUE, TRUE, TRUE, TRUE, FALSE])
    found = estimate_rate(accepted, asked, item, "nobody was asked")
    assert (found.value, found.count, found.n, found.items, found.reason) == (3 / 5, 3, 5, 2, None)


def test_a_rate_without_judgments_says_why() -> None:
    nobody = np.zeros(2, dtype=bool)
    found = estimate_rate(nobody, nobody, np.array([0, 1]), "nobody was asked")
    assert found == RateEstimate(None, None, None, 0, 0, 0, "nobody was asked")


def test_a_rate_of_one_item_has_no_interval() -> None:
    assert estimate_share([2], [2]) == RateEstimate(1.0, None, None, 2, 2, 1, ONE_ITEM_REASON)


def test_with_one_judgment_of_each_item_the_interval_is_wilsons() -> None:
    found = estimate_share([1] * 7 + [0] * 13, [1] * 20)
    assert (found.low, found.high) == wilson_interval(7, 20)


def test_three_judgments_that_are_always_alike_count_as_one() -> None:
    found, single = estimate_share([3] * 7 + [0] * 13, [3] * 20), estimate_share([1] * 7 + [0] * 13, [1] * 20)
    assert (found.low, found.high) == pytest.approx((single.low, single.high))


def test_judgments_of_one_item_that_differ_as_by_chance_count_in_full() -> None:
    found = estimate_share([0] * 10 + [1] * 30 + [2] * 30 + [3] * 10, [3] * 80)  # binomial with p = 1/2
    full = wilson_interval(120, 240)
    assert full[0] - 0.01 < (found.low or 0) <= full[0]


def test_nobody_accepting_anything_leaves_room_for_what_was_not_seen() -> None:
    found = estimate_share([0] * 20, [3] * 20)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == wilson_interval(0, 20)[1]  # as if each item were one judgment


def test_the_design_effect_of_items_that_agree_within_themselves_is_their_size() -> None:
    assert design_effect(np.array([3.0, 0.0, 3.0, 0.0]), np.full(4, 3.0)) == 3.0
