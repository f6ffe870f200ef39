"""Probabilities and intervals of the usual distributions, without further libraries."""

from __future__ import annotations

from math import exp, lgamma, log, log1p, sqrt

Z_975 = 1.959963984540054  # the 97.5 % quantile of the standard normal distribution
TINY = 1e-300
MAX_FRACTION_TERMS = 10_000


def wilson_interval(hits: float, n: float) -> tuple[float, float]:
    """The 95 % score interval of the share p = hits / n with n > 0 (Wilson 1927).

    (hits + z²/2 ± z √(n p (1 − p) + z²/4)) / (n + z²)
    """
    middle = (hits + Z_975 * Z_975 / 2) / (n + Z_975 * Z_975)
    half_width = Z_975 * sqrt(hits * (n - hits) / n + Z_975 * Z_975 / 4) / (n + Z_975 * Z_975)
    return max(0.0, middle - half_width), min(1.0, middle + half_width)


def student_t_cdf(t: float, degrees: int) -> float:
    """P(T ≤ t) of Student's distribution: for t ≤ 0, I(ν / (ν + t²); ν / 2, 1 / 2) / 2 with ν degrees of freedom."""
    tail = incomplete_beta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2
    return tail if t <= 0 else 1 - tail


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I(x; a, b), by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)
    front = a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)
    return exp(front) * beta_continued_fraction(x, a, b) / a


def beta_continued_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of I(x; a, b), by Lentz's method."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or TINY)
    fraction = d
    for m in range(1, MAX_FRACTION_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / (1 + term * d or TINY)
            c = 1 + term / c or TINY
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return fraction
