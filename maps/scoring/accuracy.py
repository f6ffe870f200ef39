"""How well a scorer told a head's mappings from others: balanced accuracy with an interval, and means over heads."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

Z_975 = 1.959963984540054  # 97.5 % of a standard normal distribution lies below
BOOTSTRAP_DRAWS = 1000


class AccuracyEstimate(NamedTuple):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


class HeadMean(NamedTuple):
    """A mean over heads with its 95 % interval, which one head alone has not."""

    value: float
    low: float | None
    high: float | None
    heads: int


class DetectionCounts(NamedTuple):
    """What a scorer answered: of the head's own items those it named, of the others those it left out."""

    own: int
    own_named: int
    other: int
    other_left: int


def count_answer(truth: Sequence[bool | None], named_items: frozenset[int]) -> DetectionCounts:
    """The counts of an answer: `truth` of each item (None: not counted), and the numbers, from 1, that were named."""
    pairs = [(belongs, number in named_items) for number, belongs in enumerate(truth, start=1)]
    return DetectionCounts(
        sum(belongs is True for belongs, _ in pairs),
        sum(belongs is True and said for belongs, said in pairs),
        sum(belongs is False for belongs, _ in pairs),
        sum(belongs is False and not said for belongs, said in pairs),
    )


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share of n > 0 (Wilson 1927)."""
    middle = (hits + Z_975 * Z_975 / 2) / (n + Z_975 * Z_975)
    half = Z_975 * sqrt(hits * (n - hits) / n + Z_975 * Z_975 / 4) / (n + Z_975 * Z_975)
    return max(0.0, middle - half), min(1.0, middle + half)


def balanced_accuracy(c: DetectionCounts) -> AccuracyEstimate | None:
    """(own_named / own + other_left / other) / 2 with a 95 % interval; None where one kind of item is missing.

    The interval joins the two shares' Wilson intervals (l, u) by their distances from the shares p, as Newcombe (1998)
    joins those of a difference: the lower end is √((p₁ − l₁)² + (p₂ − l₂)²) / 2 below, the upper end likewise above.
    Ten items of each kind are too few for a bootstrap, which would call twenty of twenty certain.
    """
    if not (c.own and c.other):
        return None
    shares = c.own_named / c.own, c.other_left / c.other
    ends = wilson_interval(c.own_named, c.own), wilson_interval(c.other_left, c.other)
    down, up = (sqrt(sum((end[side] - p) ** 2 for p, end in zip(shares, ends, strict=True))) / 2 for side in (0, 1))
    value = sum(shares) / 2
    return AccuracyEstimate(value, max(0.0, value - down), min(1.0, value + up))


def mean_over_heads(values: Sequence[float], seed: int = 0) -> HeadMean | None:
    """The mean with a 95 % percentile bootstrap over heads (1,000 draws); None without a head."""
    if not values:
        return None
    data = np.array(values)
    if len(data) == 1:
        return HeadMean(float(data[0]), None, None, 1)
    drawn = data[np.random.default_rng(seed).integers(len(data), size=(BOOTSTRAP_DRAWS, len(data)))].mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return HeadMean(float(data.mean()), float(low), float(high), len(data))
