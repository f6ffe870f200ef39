"""Pearson's correlation with its two-sided p-value, without further libraries."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt
from typing import NamedTuple

from maps.distributions import incomplete_beta


class PearsonCorrelation(NamedTuple):
    """r in [-1, 1] and its p-value; both are None, with the reason, when r is undefined."""

    value: float | None
    p_value: float | None
    reason: str = ""


def pearson(x: Sequence[float], y: Sequence[float]) -> PearsonCorrelation:
    """r = Σ(x - x̄)(y - ȳ) / √(Σ(x - x̄)² Σ(y - ȳ)²) and the probability of such an |r| for independent normal values.

    If they are independent, t = r √((n - 2) / (1 - r²)) has Student's distribution with n - 2 degrees of freedom.
    """
    n = len(x)
    if n != len(y):
        raise ValueError(f"{n} values cannot be correlated with {len(y)}")
    if n < 3:
        return PearsonCorrelation(None, None, "fewer than three values")
    for values, name in ((x, "first"), (y, "second")):
        if min(values) == max(values):
            return PearsonCorrelation(None, None, f"the {name} values do not vary")
    mean_x, mean_y = fsum(x) / n, fsum(y) / n
    a, b = [value - mean_x for value in x], [value - mean_y for value in y]
    norms = sqrt(fsum(value * value for value in a)) * sqrt(fsum(value * value for value in b))
    r = max(-1.0, min(1.0, fsum(i * j for i, j in zip(a, b, strict=True)) / norms))
    return PearsonCorrelation(r, two_sided_p_value(r, n))


def two_sided_p_value(r: float, n: int) -> float:
    """P(|R| ≥ |r|) for n independent pairs: I(1 - r²; (n - 2) / 2, 1 / 2)."""
    return incomplete_beta((1 - abs(r)) * (1 + abs(r)), (n - 2) / 2, 0.5)
