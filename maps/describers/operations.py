"""Splits a head's salient mappings into operations: groups with targets in common that resampling finds again.

The paper describes every head by one operation and names that as its limit. Here two mappings are as similar as the
words that their targets share; average linkage joins similar mappings; and a group counts if it is found again in
samples of the mappings (Hennig, "Cluster-wise assessment of cluster stability", 2007). A head with fewer than two such
groups has one operation, which its description is about.

A function with other targets for every source (country to capital) leaves no group: it is one operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maps.types import Mapping

MIN_SIMILARITY = 0.2  # joined groups: on average, one of five targets is shared
MIN_GROUP = 5  # mappings
MIN_STABILITY = 0.75  # Hennig's limit for a valid, stable group
SAMPLES = 100
SAMPLED_SHARE = 2 / 3  # of the mappings; each loses one of its targets too
Matrix = NDArray[np.float64]
Group = frozenset[int]


@dataclass(frozen=True)
class Operation:
    """A group of a head's salient mappings, by rank; `number`: from 1, the largest group first.

    `stability`: the mean Jaccard similarity of the group with the most similar group of each sample, 0 to 1.
    """

    number: int
    mappings: tuple[Mapping, ...]
    stability: float


def find_operations(mappings: Sequence[Mapping], seed: int = 0) -> list[Operation]:
    """The operations of a head: two or more stable groups of its mappings, the largest first; else none."""
    words = target_words(mappings)
    groups = [group for group in link_groups(similarities(words)) if len(group) >= MIN_GROUP]
    if len(groups) < 2:
        return []
    stability = group_stability(words, groups, np.random.default_rng(seed))
    stable = [(group, value) for group, value in zip(groups, stability, strict=True) if value >= MIN_STABILITY]
    if len(stable) < 2:
        return []
    stable.sort(key=lambda pair: (-len(pair[0]), min(pair[0])))
    return [
        Operation(number, tuple(mappings[index] for index in sorted(group)), value)
        for number, (group, value) in enumerate(stable, start=1)
    ]


def target_words(mappings: Sequence[Mapping]) -> Matrix:
    """(mappings, words): 1 where a word, whatever its case and leading space, is a target of a mapping."""
    words = [{target.strip().casefold() or target for target in mapping.targets} for mapping in mappings]
    numbers = {word: number for number, word in enumerate(sorted(set().union(*words)))}
    matrix = np.zeros((len(words), len(numbers)))
    for row, own in zip(matrix, words, strict=True):
        row[[numbers[word] for word in own]] = 1
    return matrix


def similarities(words: Matrix) -> Matrix:
    """The cosine of every two mappings' words: shared words / √(words of one · words of the other)."""
    lengths = np.sqrt(words.sum(axis=1))
    scale = np.outer(lengths, lengths)
    return np.divide(words @ words.T, scale, out=np.zeros_like(scale), where=scale > 0)


def link_groups(similarity: Matrix) -> list[Group]:
    """Average linkage: joins the two most similar groups until no two are similar enough. Ties go to lower ranks."""
    between = similarity.copy()  # the mean similarity of the mappings of two groups; −1 for joined groups
    np.fill_diagonal(between, -1.0)
    groups: list[set[int]] = [{index} for index in range(len(between))]
    while len(groups) > 1:
        one, other = sorted(divmod(int(between.argmax()), len(groups)))
        if between[one, other] < MIN_SIMILARITY:
            break
        sizes = len(groups[one]), len(groups[other])
        mean = (sizes[0] * between[one] + sizes[1] * between[other]) / sum(sizes)
        between[one], between[:, one] = mean, mean
        between[one, one] = -1.0
        between = np.delete(np.delete(between, other, axis=0), other, axis=1)
        groups[one] |= groups.pop(other)
    return [frozenset(group) for group in groups]


def group_stability(words: Matrix, groups: Sequence[Group], draw: np.random.Generator) -> list[float]:
    """How well samples of the mappings show each group again: the mean of the highest Jaccard similarity."""
    totals, count = np.zeros(len(groups)), round(SAMPLED_SHARE * len(words))
    for _ in range(SAMPLES):
        rows = np.sort(draw.choice(len(words), size=count, replace=False))
        sample = words[rows]
        for row in filter(np.any, sample):
            row[draw.choice(np.flatnonzero(row))] = 0  # so that no group hangs on one target
        found = [frozenset(rows[list(group)].tolist()) for group in link_groups(similarities(sample))]
        sampled = frozenset(rows.tolist())
        totals += [max(jaccard(group & sampled, other) for other in found) for group in groups]
    return [float(total) for total in totals / SAMPLES]


def jaccard(one: Group, other: Group) -> float:
    """|A ∩ B| / |A ∪ B|; 0 for two empty groups."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0
