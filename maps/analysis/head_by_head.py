"""The same heads of two models of one architecture, or two readings of one model: what their mappings share.

Each head is compared with the head in the same place, by the Jaccard similarity |A ∩ B| / |A ∪ B| of three sets each:
its (source, target) pairs, its salient sources, and the targets of all of them. What a similarity means is said by two
different heads, one of each model. Over all such pairs, the mean and the 95th percentile are the level of chance;
`above` is the share of them that are less similar.

Both models must have the same tokens (`have_same_tokens`), because tokens are compared by their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from maps.analysis.classification import RelationsByHead
from maps.analysis.similar_heads import MappingIndex
from maps.analysis.value_groups import Numbers, jaccard_from_counts
from maps.types import HeadId, Mapping

KINDS = ("mappings", "sources", "targets")
BINS = 10_000  # of the histogram from which percentiles are read, so they are right to 0.0001
HIGH_SHARE = 0.95  # of the pairs of different heads are at most as similar as `ChanceLevel.high`
ALIKE = ("layers", "heads", "architecture")  # entries of atlas.json


class Likeness(NamedTuple):
    """How similar a head is to the head in the same place, 0 to 1, and how that compares with different heads.

    `above`: the share of pairs of different heads that are less similar. `rank`: its place among all heads of the
    second model by similarity to the first model's head, 1 for the most similar; None if they share nothing.
    """

    similarity: float
    above: float
    rank: int | None


class HeadChange(NamedTuple):
    """One head in two models: its (source, target) pairs in both, in the first only and in the second only."""

    head: HeadId
    kept: int
    lost: int
    gained: int
    likeness: dict[str, Likeness]  # for each of KINDS


class ChanceLevel(NamedTuple):
    """The similarity of two different heads, one of each model: over `pairs` pairs its mean and 95th percentile."""

    pairs: int
    mean: float
    high: float


class HeadComparison(NamedTuple):
    """The heads that have mappings in both models, in order.

    `chance` is for each of KINDS, without those for which there are no two different heads.
    """

    heads: list[HeadChange]
    chance: dict[str, ChanceLevel]


class SourceChange(NamedTuple):
    """The targets of one source in two models; `ranks` are the source's ranks, None where it is not salient."""

    source: str
    ranks: tuple[int | None, int | None]
    kept: tuple[str, ...]
    lost: tuple[str, ...]
    gained: tuple[str, ...]


class RelationChange(NamedTuple):
    """The relations of one head as (relation, side): in both models, in the first only and in the second only."""

    kept: tuple[tuple[str, str], ...]
    lost: tuple[tuple[str, str], ...]
    gained: tuple[tuple[str, str], ...]


class Members(NamedTuple):
    """The sets of H heads: head i has the elements from starts[i] to starts[i + 1]."""

    elements: Numbers
    owners: Numbers
    starts: Numbers  # (H + 1,)

    @classmethod
    def group(cls, elements: Numbers, owners: Numbers, heads: int) -> Members:
        """Of elements and the indices of the heads that have them; an element counts once for each head."""
        order = np.lexsort((elements, owners))
        elements, owners = elements[order], owners[order]
        is_first = np.ones(len(order), dtype=bool)
        is_first[1:] = (elements[1:] != elements[:-1]) | (owners[1:] != owners[:-1])
        elements, owners = elements[is_first], owners[is_first]
        sizes = np.bincount(owners, minlength=heads)
        return cls(elements, owners, np.concatenate([[0], np.cumsum(sizes)]))

    def of_head(self, index: int) -> Numbers:
        return self.elements[self.starts[index] : self.starts[index + 1]]

    @property
    def sizes(self) -> Numbers:
        return np.diff(self.starts)


def have_same_heads(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two `atlas.json` describe models of one architecture with the same numbers of layers and heads."""
    return all(first[name] == second[name] for name in ALIKE)


def have_same_tokens(first: pa.Table, second: pa.Table) -> bool:
    """Whether two models give their tokens the same ids, by the words of their usable pairs.

    `first` and `second` are the tables `pairs`. Ids that only one of them has do not matter; without a common id the
    answer is no.
    """
    one, other = token_names(first), token_names(second)
    common = one.keys() & other.keys()
    return bool(common) and all(one[token] == other[token] for token in common)


def token_names(pairs: pa.Table) -> dict[int, str]:
    names: dict[int, str] = {}
    for side in ("source", "target"):
        names |= dict(zip(pairs[f"{side}_id"].to_pylist(), pairs[side].to_pylist(), strict=True))
    return names


def compare_heads(first: MappingIndex, second: MappingIndex) -> HeadComparison:
    """Compares every head of the first model with the head in the same place of the second."""
    index_of = {tuple(head): index for index, head in enumerate(second.heads.tolist())}
    heads = [HeadId(*head) for head in first.heads.tolist() if tuple(head) in index_of]
    own = [(index, index_of[tuple(head)]) for index, head in enumerate(first.heads.tolist()) if tuple(head) in index_of]
    compared = {kind: compare_sets(members(first, kind), members(second, kind), own) for kind in KINDS}
    pairs, others = members(first, "mappings").sizes, members(second, "mappings").sizes
    changes = []
    for place, head in enumerate(heads):
        kept = compared["mappings"].shared[place]
        lost, gained = pairs[own[place][0]] - kept, others[own[place][1]] - kept
        likeness = {kind: compared[kind].likeness[place] for kind in KINDS}
        changes.append(HeadChange(head, int(kept), int(lost), int(gained), likeness))
    chance = {kind: level for kind in KINDS if (level := compared[kind].chance) is not None}
    return HeadComparison(changes, chance)


def members(index: MappingIndex, kind: str) -> Members:
    """The sets of one of KINDS."""
    heads = len(index.heads)
    if kind == "sources":
        return Members.group(index.source_ids, index.head_index, heads)
    pairs, owners = index.pairs_of_rows(np.arange(len(index.source_ids), dtype=np.int32))
    return Members.group(pairs if kind == "mappings" else index.target_ids, owners, heads)


class ComparedSets(NamedTuple):
    """The sizes of the intersections and the likeness of heads in the same place, and the level of chance."""

    shared: list[int]
    likeness: list[Likeness]
    chance: ChanceLevel | None


def compare_sets(first: Members, second: Members, own: Sequence[tuple[int, int]]) -> ComparedSets:
    """`own` has the indices of the heads in the same place, in the first model and in the second."""
    lookup, sizes = SharedElements(second), second.sizes
    histogram, total = np.zeros(BINS + 1, dtype=np.int64), 0.0
    shared, similarities, ranks = [], [], []
    for index, same in own:
        counts = lookup.count(first.of_head(index))
        similarity = jaccard_from_counts(counts, first.sizes[index], sizes)
        shared.append(int(counts[same]))
        similarities.append(float(similarity[same]))
        ranks.append(int((similarity > similarity[same]).sum()) + 1 if counts[same] else None)
        others = np.delete(similarity, same)
        histogram += np.bincount(bin_of(others), minlength=BINS + 1)
        total += float(others.sum())
    chance = chance_level(histogram, total)
    below = np.concatenate([[0], np.cumsum(histogram)]) / max(1, histogram.sum())  # share of pairs before each bin
    above = below[bin_of(np.array(similarities))].tolist() if similarities else []
    likeness = [Likeness(*each) for each in zip(similarities, above, ranks, strict=True)]
    return ComparedSets(shared, likeness, chance)


def bin_of(similarities: Numbers) -> Numbers:
    """The bin of each similarity; bin i ends at i / BINS, so only 0 itself is in bin 0."""
    return np.ceil(similarities * BINS).astype(np.int64)


def chance_level(histogram: Numbers, total: float) -> ChanceLevel | None:
    """From the histogram of the similarities of different heads and their sum; None without such heads."""
    pairs = int(histogram.sum())
    if not pairs:
        return None
    high = int(np.searchsorted(np.cumsum(histogram), HIGH_SHARE * pairs)) / BINS
    return ChanceLevel(pairs, total / pairs, high)


class SharedElements:
    """How many elements of a set each head of a model has, found by one binary search for each element."""

    def __init__(self, members: Members) -> None:
        order = np.argsort(members.elements, kind="stable")
        self._elements, self._owners = members.elements[order], members.owners[order]
        self._heads = len(members.sizes)

    def count(self, elements: Numbers) -> Numbers:
        """For each head the number of these distinct elements that it has, (H,) float64."""
        starts = np.searchsorted(self._elements, elements, side="left")
        ends = np.searchsorted(self._elements, elements, side="right")
        owners = [self._owners[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        joined = np.concatenate([*owners, np.empty(0, dtype=self._owners.dtype)])
        return np.bincount(joined, minlength=self._heads).astype(np.float64)


def source_changes(first: Sequence[Mapping], second: Sequence[Mapping]) -> list[SourceChange]:
    """One head's mappings in two models, source by source: first those of the first model, by rank."""
    one, other = ({mapping.source_id: mapping for mapping in mappings} for mappings in (first, second))
    changes = []
    for source in dict.fromkeys((*one, *other)):
        before, after = one.get(source), other.get(source)
        old, new = target_names(before), target_names(after)
        changes.append(
            SourceChange(
                before.source if before else other[source].source,
                (before.rank if before else None, after.rank if after else None),
                kept=tuple(name for token, name in old.items() if token in new),
                lost=tuple(name for token, name in old.items() if token not in new),
                gained=tuple(name for token, name in new.items() if token not in old),
            )
        )
    return changes


def target_names(mapping: Mapping | None) -> dict[int, str]:
    return dict(zip(mapping.target_ids, mapping.targets, strict=True)) if mapping else {}


def relation_changes(first: RelationsByHead, second: RelationsByHead) -> dict[HeadId, RelationChange]:
    """The relations of every head that is classified in at least one of two models, strongest first."""
    changes = {}
    for head in sorted({*first, *second}):
        old, new = ([(each.relation, each.side) for each in found.get(head, ())] for found in (first, second))
        changes[head] = RelationChange(
            tuple(each for each in old if each in new),
            tuple(each for each in old if each not in new),
            tuple(each for each in new if each not in old),
        )
    return changes
