"""How concentrated a head's targets are, in absolute terms and compared with random heads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import log2


def entropy(targets: Iterable[int]) -> float:
    """Shannon entropy of a multiset, in bits: −Σ p log₂ p over its different members; 0 for one member or none."""
    counts = Counter(targets)
    total = counts.total()
    return sum(n / total * log2(total / n) for n in counts.values())


def share_below(value: float | None, others: Sequence[float]) -> float | None:
    """The share of `others` below a value, where equal ones count half; None without a value or without others."""
    if value is None or not others:
        return None
    return sum((other < value) + 0.5 * (other == value) for other in others) / len(others)
