"""Which heads are most like one head: the overlap of their salient sources and of their (source, target) mappings."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from maps.analysis.value_groups import Numbers, encode_pairs, flatten_targets, jaccard_from_counts, source_members
from maps.types import HeadId

MAPPING_COLUMNS = ("layer", "head", "source_id", "target_ids")  # of the atlas's table that are read
SimilarityMeasure = Literal["mappings", "sources"]


class SimilarHead(NamedTuple):
    """Another head with the Jaccard similarity of its mappings and of its salient sources, 0 to 1."""

    head: HeadId
    mappings: float
    sources: float


class MappingIndex(NamedTuple):
    """The salient mappings of H heads as int32: m of them, whose t targets stand one after the other."""

    heads: Numbers  # (H, 2) layer and head, in order
    head_index: Numbers  # (m,) number of the head
    source_ids: Numbers  # (m,)
    target_ids: Numbers  # (t,)
    target_starts: Numbers  # (m + 1,) of each mapping's targets
    source_counts: Numbers  # (H,) how many a head has
    pair_counts: Numbers  # (H,) how many (source, target) pairs

    @classmethod
    def from_table(cls, mappings: pa.Table) -> MappingIndex:
        """From the atlas's table, or its COLUMNS."""
        layer, head, source = source_members(mappings)
        row, target = flatten_targets(mappings)
        names, of = np.unique(layer.astype(np.int64) << 32 | head, return_inverse=True)
        count = np.bincount(row, minlength=len(source))
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
        heads = np.stack([names >> 32, names & 0xFFFFFFFF], axis=1).astype(np.int32)
        sizes = (np.bincount(each, minlength=len(names)).astype(np.int32) for each in (of, of[row]))
        return cls(heads, of.astype(np.int32), source, target, start, *sizes)

    def pairs_of_rows(self, rows: Numbers) -> tuple[Numbers, Numbers]:
        """The (source, target) pairs of some mappings as numbers, each with its head's number."""
        count = self.target_starts[rows + 1] - self.target_starts[rows]
        first = np.repeat(self.target_starts[rows] - (np.cumsum(count) - count), count)
        target = self.target_ids[first + np.arange(len(first), dtype=np.int32)]
        return encode_pairs(np.repeat(self.source_ids[rows], count), target), np.repeat(self.head_index[rows], count)


def similar_heads(
    index: MappingIndex, head: HeadId, n: int = 10, by: SimilarityMeasure = "mappings"
) -> list[SimilarHead]:
    """The n other heads that are most like a head, the most alike first; those that share nothing with it are left out.

    They are in the order of the similarity that `by` names, then of the other one, then by layer and head. A head's
    sources are distinct, and so are the targets of a source, as in every atlas. A head without mappings is like none.
    """
    [own] = (index.heads == head).all(axis=1).nonzero()
    if not len(own):
        return []
    is_mine = np.zeros(int(index.source_ids.max()) + 1, dtype=bool)
    is_mine[index.source_ids[index.head_index == own[0]]] = True
    rows = is_mine[index.source_ids].nonzero()[0].astype(np.int32)  # the mappings of its sources, by any head
    pairs, of = index.pairs_of_rows(rows)
    shared = of[np.isin(pairs, pairs[of == own[0]])]
    found = {
        "sources": similarity_to_head(index.head_index[rows], index.source_counts, own[0]),
        "mappings": similarity_to_head(shared, index.pair_counts, own[0]),
    }
    other = found["sources" if by == "mappings" else "mappings"]
    best = np.lexsort((-other, -found[by]))  # stable, so by layer and head where both are equal
    some = [i for i in best[: n + 1].tolist() if i != own[0] and found["sources"][i] > 0][:n]
    return [
        SimilarHead(HeadId(*index.heads[i].tolist()), float(found["mappings"][i]), float(found["sources"][i]))
        for i in some
    ]


def similarity_to_head(shared: Numbers, sizes: Numbers, own: int) -> Numbers:
    """The similarity of every head to one: from the heads of the elements that this one has too, and all sizes (H,)."""
    counts = np.bincount(shared, minlength=len(sizes)).astype(np.float64)
    return np.nan_to_num(jaccard_from_counts(counts, sizes, sizes[own]))
