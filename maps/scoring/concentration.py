"""How concentrated a head's targets are, and where that stands among random heads: "no pattern" without a describer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import log2


def entropy(targets: Iterable[int]) -> float:
    """Shannon entropy of a multiset, in bits: −Σ p log₂ p over its different members; 0 for one alone or none."""
    numbers = Counter(targets)
    whole = numbers.total()
    return sum(n / whole * log2(whole / n) for n in numbers.values())


def share_below(value: float | None, others: Sequence[float]) -> float | None:
    """The share of values that are lower, equal ones counted half; None where the value or all others are unknown."""
    if value is None or not others:
        return None
    return sum((other < value) + 0.5 * (other == value) for other in others) / len(others)
