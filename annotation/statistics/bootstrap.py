"""Intervals: estimates drawn anew over items, and the shares and coefficients that carry them.

Items of which the same numbers are known are alike, so a draw of items is told by how often each kind is drawn: that
is multinomial, costs the same for a hundred items as for a hundred thousand, and depends on no order of rows. A
statistic takes `times` (draws, kinds) and the numbers of each kind, and answers one number a draw, nan where undefined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
AnswerCodes = NDArray[np.int16]  # numbers of answers
Statistic = Callable[[Floats, Floats], Floats]  # of `times` (draws, kinds) and the numbers of each kind; (draws,)

BOOTSTRAP_DRAWS = 1000
INTERVAL_PERCENTILES = (2.5, 97.5)  # percentiles
ONE_ITEM_REASON = "one item allows no interval"


@dataclass(frozen=True)
class BootstrapEstimate:
    """A number with its 95 % interval; None where undefined, and then `reason` says why.

    `n` counts the items that it rests on, `draws` the bootstrap draws in which it was defined and from which the
    interval is taken.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    draws: int
    reason: str | None


@dataclass(frozen=True)
class RateEstimate:
    """`count` of `n` judgments as a share with its 95 % interval over items; otherwise as `Estimate`."""

    value: float | None
    low: float | None
    high: float | None
    count: int
    n: int
    draws: int
    reason: str | None


def quotient_or_nan(numerator: Floats, denominator: Floats) -> Floats:
    """Element by element, nan where the denominator is 0."""
    defined = denominator != 0
    return np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)


@dataclass(frozen=True)
class BootstrapItems:
    """The kinds of items by their numbers (kinds, …), how many items are of each (kinds,), and the draws' seed."""

    distinct_items: Floats
    multiplicities: Counts
    seed: int

    @cached_property
    def draw_counts(self) -> Floats:
        """How often each kind is drawn in each of 1,000 draws of as many items, with replacement; (draws, kinds)."""
        if not len(self.multiplicities):
            return np.zeros((BOOTSTRAP_DRAWS, 0))
        total = self.multiplicities.sum()
        random = np.random.default_rng(self.seed)
        return random.multinomial(total, self.multiplicities / total, size=BOOTSTRAP_DRAWS).astype(np.float64)


def group_equal_items(rows: NDArray[Any], seed: int) -> BootstrapItems:
    """Items from the numbers of each, (items, numbers)."""
    kinds, sizes = np.unique(rows, axis=0, return_counts=True)
    return BootstrapItems(kinds.astype(np.float64), sizes, seed)


def percentile_interval(values: Floats, n: int) -> tuple[float | None, float | None, int]:
    """Lower and upper end of the defined draws and their number; without an end below two items."""
    defined = values[~np.isnan(values)]
    if n < 2 or len(defined) == 0:
        return None, None, 0
    low, high = np.percentile(defined, INTERVAL_PERCENTILES)
    return float(low), float(high), len(defined)


def estimate_statistic(statistic: Statistic, items: BootstrapItems, n: int, undefined_reason: str) -> BootstrapEstimate:
    """The statistic of all items, with its interval over the draws; `undefined_reason` is the reason for nan."""
    value = statistic(items.multiplicities[None].astype(np.float64), items.distinct_items)[0]
    if np.isnan(value):
        return BootstrapEstimate(None, None, None, n, 0, undefined_reason)
    low, high, draws = percentile_interval(statistic(items.draw_counts, items.distinct_items), n)
    return BootstrapEstimate(float(value), low, high, n, draws, ONE_ITEM_REASON if low is None else None)


def ratio_of_sums(draw_counts: Floats, counts: Floats) -> Floats:
    """Of two columns of counts the sum of the first by that of the second; (draws,)."""
    sums = draw_counts @ counts
    return quotient_or_nan(sums[:, 0], sums[:, 1])


def estimate_rate(
    accepted: NDArray[np.bool_], eligible: NDArray[np.bool_], item_numbers: Counts, seed: int, undefined_reason: str
) -> RateEstimate:
    """The share of the judgments `eligible` that are `accepted`, items drawn anew; `item_numbers` numbers each one's item."""
    size = item_numbers.max(initial=-1) + 1
    base = np.bincount(item_numbers[eligible], minlength=size)
    hits = np.bincount(item_numbers[eligible & accepted], minlength=size)
    items = group_equal_items(np.column_stack([hits, base]), seed)
    found = estimate_statistic(ratio_of_sums, items, int((base > 0).sum()), undefined_reason)
    return RateEstimate(found.value, found.low, found.high, int(hits.sum()), int(base.sum()), found.draws, found.reason)
