"""Bootstrap intervals over items, for coefficients.

Items with equal counts are interchangeable, so a bootstrap draw of n items is fully described by how often each
distinct item is drawn. Those numbers are multinomial. One draw therefore costs the same for a hundred items as for a
hundred thousand, and the result does not depend on the order of the rows. Example: the items (2, 0), (1, 1), (2, 0)
are the distinct items (1, 1) and (2, 0) with multiplicities 1 and 2; one draw of three items is 0 and 3 of them.

A statistic takes `draw_counts` (draws, distinct items) and the distinct items, and returns one number a draw, nan where
it is undefined. Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 (percentile intervals).
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
Statistic = Callable[[Floats, Floats], Floats]  # (draw_counts, distinct_items) -> (draws,)

BOOTSTRAP_DRAWS = 1000
INTERVAL_PERCENTILES = (2.5, 97.5)
ONE_ITEM_REASON = "one item allows no interval"


@dataclass(frozen=True)
class BootstrapEstimate:
    """A number with its 95 % interval.

    The value is None where it is undefined, `low` and `high` where there is no interval; `reason` then says why.
    `n` counts the items behind the value, `draws` the bootstrap draws in which the statistic was defined; the interval
    is taken from those draws.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    draws: int
    reason: str | None


def quotient_or_nan(numerator: Floats, denominator: Floats) -> Floats:
    defined = denominator != 0
    return np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)


@dataclass(frozen=True)
class BootstrapItems:
    """Distinct items (distinct items, …), how many items equal each (distinct items,), and the seed of the draws."""

    distinct_items: Floats
    multiplicities: Counts
    seed: int

    @cached_property
    def draw_counts(self) -> Floats:
        """How often each distinct item occurs in each of 1,000 draws with replacement; (draws, distinct items)."""
        if not len(self.multiplicities):
            return np.zeros((BOOTSTRAP_DRAWS, 0))
        total = self.multiplicities.sum()
        random = np.random.default_rng(self.seed)
        return random.multinomial(total, self.multiplicities / total, size=BOOTSTRAP_DRAWS).astype(np.float64)


def group_equal_items(rows: NDArray[Any], seed: int) -> BootstrapItems:
    """Groups items (items, numbers) that have equal numbers."""
    distinct, multiplicities = np.unique(rows, axis=0, return_counts=True)
    return BootstrapItems(distinct.astype(np.float64), multiplicities, seed)


def percentile_interval(values: Floats, n: int) -> tuple[float | None, float | None, int]:
    """The interval of the draws that are not nan, and their number; no interval for fewer than two items."""
    defined = values[~np.isnan(values)]
    if n < 2 or len(defined) == 0:
        return None, None, 0
    low, high = np.percentile(defined, INTERVAL_PERCENTILES)
    return float(low), float(high), len(defined)


def estimate_statistic(statistic: Statistic, items: BootstrapItems, n: int, undefined_reason: str) -> BootstrapEstimate:
    """The statistic of all items with its interval; `undefined_reason` is the reason where the value is nan."""
    value = statistic(items.multiplicities[None].astype(np.float64), items.distinct_items)[0]
    if np.isnan(value):
        return BootstrapEstimate(None, None, None, n, 0, undefined_reason)
    low, high, draws = percentile_interval(statistic(items.draw_counts, items.distinct_items), n)
    return BootstrapEstimate(float(value), low, high, n, draws, ONE_ITEM_REASON if low is None else None)
