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
Codes = NDArray[np.int16]  # numbers of answers
Statistic = Callable[[Floats, Floats], Floats]  # of `times` (draws, kinds) and the numbers of each kind; (draws,)

DRAWS = 1000
INTERVAL = (2.5, 97.5)  # percentiles
ONE_ITEM = "one item allows no interval"


@dataclass(frozen=True)
class Estimate:
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
class Rate:
    """`count` of `n` judgments as a share with its 95 % interval over items; otherwise as `Estimate`."""

    value: float | None
    low: float | None
    high: float | None
    count: int
    n: int
    draws: int
    reason: str | None


def quotient(numerator: Floats, denominator: Floats) -> Floats:
    """Element by element, nan where the denominator is 0."""
    defined = denominator != 0
    return np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)


@dataclass(frozen=True)
class Items:
    """The kinds of items by their numbers (kinds, …), how many items are of each (kinds,), and the draws' seed."""

    kinds: Floats
    sizes: Counts
    seed: int

    @cached_property
    def times(self) -> Floats:
        """How often each kind is drawn in each of 1,000 draws of as many items, with replacement; (draws, kinds)."""
        if not len(self.sizes):
            return np.zeros((DRAWS, 0))
        total = self.sizes.sum()
        random = np.random.default_rng(self.seed)
        return random.multinomial(total, self.sizes / total, size=DRAWS).astype(np.float64)


def items_of(numbers: NDArray[Any], seed: int) -> Items:
    """Items from the numbers of each, (items, numbers)."""
    kinds, sizes = np.unique(numbers, axis=0, return_counts=True)
    return Items(kinds.astype(np.float64), sizes, seed)


def interval(values: Floats, n: int) -> tuple[float | None, float | None, int]:
    """Lower and upper end of the defined draws and their number; without an end below two items."""
    defined = values[~np.isnan(values)]
    if n < 2 or len(defined) == 0:
        return None, None, 0
    low, high = np.percentile(defined, INTERVAL)
    return float(low), float(high), len(defined)


def estimated(statistic: Statistic, items: Items, n: int, undefined: str) -> Estimate:
    """The statistic of all items, with its interval over the draws; `undefined` is the reason for nan."""
    value = statistic(items.sizes[None].astype(np.float64), items.kinds)[0]
    if np.isnan(value):
        return Estimate(None, None, None, n, 0, undefined)
    low, high, draws = interval(statistic(items.times, items.kinds), n)
    return Estimate(float(value), low, high, n, draws, ONE_ITEM if low is None else None)


def ratio(times: Floats, counts: Floats) -> Floats:
    """Of two columns of counts the sum of the first by that of the second; (draws,)."""
    sums = times @ counts
    return quotient(sums[:, 0], sums[:, 1])


def rate(accepted: NDArray[np.bool_], asked: NDArray[np.bool_], item: Counts, seed: int, undefined: str) -> Rate:
    """The share of the judgments `asked` that are `accepted`, items drawn anew; `item` numbers each one's item."""
    size = item.max(initial=-1) + 1
    base = np.bincount(item[asked], minlength=size)
    hits = np.bincount(item[asked & accepted], minlength=size)
    items = items_of(np.column_stack([hits, base]), seed)
    found = estimated(ratio, items, int((base > 0).sum()), undefined)
    return Rate(found.value, found.low, found.high, int(hits.sum()), int(base.sum()), found.draws, found.reason)
