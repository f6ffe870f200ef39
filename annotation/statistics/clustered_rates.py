"""Shares of judgments, with intervals that allow for the judgments of one item being alike.

Percentile bootstraps are too narrow for shares near 0 or 1: in simulated studies of the paper's size the interval of a
share of 2 % held the truth 76 times of 100 (`python -m benchmarks.interval_coverage`). So the score interval is used,
with as many judgments as would be worth the same if each were of an item of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation.statistics.bootstrap import ONE_ITEM_REASON, Counts, Floats
from maps.distributions import wilson_interval

PRIOR_ITEMS = 2  # so many items count as evidence that the judgments of an item are all alike


@dataclass(frozen=True)
class RateEstimate:
    """A share of judgments, `count` of `n`, of so many `items`, with its 95 % interval.

    The value is None where it is undefined, `low` and `high` where there is no interval; `reason` then says why.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int
    n: int
    items: int
    reason: str | None


def estimate_rate(
    accepted: NDArray[np.bool_], eligible: NDArray[np.bool_], item_numbers: Counts, undefined_reason: str
) -> RateEstimate:
    """The share of the eligible judgments that are accepted, with its interval.

    All three arrays are (judgments,); `item_numbers` numbers each judgment's item from 0.
    """
    size = item_numbers.max(initial=-1) + 1
    bases = np.bincount(item_numbers[eligible], minlength=size)
    hits = np.bincount(item_numbers[eligible & accepted], minlength=size)[bases > 0]
    bases = bases[bases > 0]
    count, n, items = int(hits.sum()), int(bases.sum()), len(bases)
    if n == 0:
        return RateEstimate(None, None, None, 0, 0, 0, undefined_reason)
    if items == 1:
        return RateEstimate(count / n, None, None, count, n, 1, ONE_ITEM_REASON)
    effect = design_effect(hits.astype(np.float64), bases.astype(np.float64))
    low, high = wilson_interval(count / effect, n / effect)
    return RateEstimate(count / n, low, high, count, n, items, None)


def design_effect(hits: Floats, bases: Floats) -> float:
    """By how much the judgments of one item being alike widens the variance of p = Σ h / Σ b; from 1 to Σ b² / Σ b.

    The variance over k items, k / (k − 1) · Σ (h − p b)² / n², over that of n judgments of different items,
    p (1 − p) / n. It is uncertain where few items are on one side, so it is averaged with the largest possible value,
    which weighs `PRIOR_ITEMS` items. `hits` and `bases` are (items,). Kish, Survey Sampling (1965), chapter 5.

    Example: four items of three judgments each, and the judgments of each item all alike: 3.
    """
    n, items = bases.sum(), len(bases)
    share = hits.sum() / n
    largest = float((bases**2).sum() / n)
    if share in (0.0, 1.0):
        return largest
    variance = items / (items - 1) * ((hits - share * bases) ** 2).sum() / n**2
    estimate = float(np.clip(variance * n / (share * (1 - share)), 1.0, largest))
    known = min(int((hits > 0).sum()), int((hits < bases).sum()))  # items with an accepted answer, and with another
    return (known * estimate + PRIOR_ITEMS * largest) / (known + PRIOR_ITEMS)
