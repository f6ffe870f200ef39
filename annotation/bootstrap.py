"""Intervals: estimates drawn anew over items, and the shares and coefficients that carry them.

A statistic answers one number a draw, nan where undefined, from how often each item is drawn: `times`
(draws, items), ones for the estimate itself. So a thousand draws cost a few matrix products.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

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


@lru_cache(maxsize=4)  # several statistics of the same items follow each other; drawing takes longer than they do
def resamples(items: int, seed: int) -> Floats:
    """How often each item is drawn in each of 1,000 draws with replacement; (draws, items), not to be written to."""
    if items == 0:
        return np.zeros((DRAWS, 0))
    shares = np.full(items, 1 / items)
    drawn = np.random.default_rng(seed).multinomial(items, shares, size=DRAWS).astype(np.float64)
    drawn.setflags(write=False)
    return drawn


def interval(values: Floats, n: int) -> tuple[float | None, float | None, int]:
    """Lower and upper end of the defined draws and their number; without an end below two items."""
    defined = values[~np.isnan(values)]
    if n < 2 or len(defined) == 0:
        return None, None, 0
    low, high = np.percentile(defined, INTERVAL)
    return float(low), float(high), len(defined)


def estimated(statistic: Callable[[Floats], Floats], times: Floats, n: int, undefined: str) -> Estimate:
    """The statistic of all items, with its interval over the draws of `times`; `undefined` is the reason for nan."""
    value = statistic(np.ones((1, times.shape[1])))[0]
    if np.isnan(value):
        return Estimate(None, None, None, n, 0, undefined)
    low, high, draws = interval(statistic(times), n)
    return Estimate(float(value), low, high, n, draws, ONE_ITEM if low is None else None)


def rate(accepted: NDArray[np.bool_], asked: NDArray[np.bool_], item: Counts, times: Floats, undefined: str) -> Rate:
    """The share of the judgments `asked` that are `accepted`, items drawn anew; `item` numbers each one's item."""
    base = np.bincount(item[asked], minlength=times.shape[1]).astype(np.float64)
    hits = np.bincount(item[asked & accepted], minlength=times.shape[1]).astype(np.float64)
    found = estimated(lambda drawn: quotient(drawn @ hits, drawn @ base), times, int((base > 0).sum()), undefined)
    return Rate(found.value, found.low, found.high, int(hits.sum()), int(base.sum()), found.draws, found.reason)
