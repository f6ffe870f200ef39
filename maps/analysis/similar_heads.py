"""The heads most similar to one head, by the overlap of their mappings and of their salient sources.

Both are Jaccard similarities |A ∩ B| / |A ∪ B|, of sets of (source, target) pairs and of sets of sources. One scan
over the mappings of all heads counts the elements that each head shares with the one asked for; that and the sizes of
the sets are enough, since |A ∪ B| = |A| + |B| − |A ∩ B|.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from maps.analysis.value_groups import Numbers, encode_pairs, flatten_targets, jaccard_from_counts, source_members
from maps.types import HeadId

MAPPING_COLUMNS = ("layer", "head", "source_id", "target_ids")  # of the atlas's table of mappings


class SimilarHead(NamedTuple):
    """Another head, with the Jaccard similarity of its mappings and of its salient sources, 0 to 1."""

    head: HeadId
    mappings: float
    sources: float


class MappingIndex(NamedTuple):
    """The m salient mappings of H heads in int32 arrays, with their t targets in one array."""

    heads: Numbers  # (H, 2) layer and head, sorted
    head_index: Numbers  # (m,) which of the heads a mapping belongs to
    source_ids: Numbers  # (m,)
    target_ids: Numbers  # (t,) mapping by mapping
    target_starts: Numbers  # (m + 1,) mapping i has the targets target_starts[i] to target_starts[i + 1]
    source_counts: Numbers  # (H,) sources of each head
    pair_counts: Numbers  # (H,) (source, target) pairs of each head

    @classmethod
    def from_table(cls, mappings: pa.Table) -> MappingIndex:
        """From the atlas's table of mappings, of which MAPPING_COLUMNS are read."""
        layer, head, source = source_members(mappings)
        row, target = flatten_targets(mappings)
        keys, head_index = np.unique(layer.astype(np.int64) << 32 | head, return_inverse=True)
        target_counts = np.bincount(row, minlength=len(source))
        return cls(
            np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32),
            head_index.astype(np.int32),
            source,
            target,
            np.concatenate([[0], np.cumsum(target_counts)]).astype(np.int32),
            np.bincount(head_index, minlength=len(keys)).astype(np.int32),
            np.bincount(head_index[row], minlength=len(keys)).astype(np.int32),
        )

    def pairs_of_rows(self, rows: Numbers) -> tuple[Numbers, Numbers]:
        """The (source, target) pairs of some mappings, each as one number, and the index of each pair's head."""
        counts = self.target_starts[rows + 1] - self.target_starts[rows]
        # Targets of these mappings begin at `target_starts` in the index and at `before` in the result.
        before = np.cumsum(counts) - counts
        offsets = np.repeat(self.target_starts[rows] - before, counts)
        targets = self.target_ids[offsets + np.arange(len(offsets), dtype=np.int32)]
        sources = np.repeat(self.source_ids[rows], counts)
        return encode_pairs(sources, targets), np.repeat(self.head_index[rows], counts)


def similar_heads(index: MappingIndex, head: HeadId, n: int = 10) -> list[SimilarHead]:
    """The n other heads most similar to a head, without those that share no source with it.

    In the order of the similarity of mappings, then of sources, then by layer and head. A head without mappings is
    similar to none. As in every atlas, a head's sources must be distinct, and so must the targets of a source.
    """
    [own] = (index.heads == head).all(axis=1).nonzero()
    if not len(own):
        return []
    is_own_source = np.zeros(int(index.source_ids.max()) + 1, dtype=bool)
    is_own_source[index.source_ids[index.head_index == own[0]]] = True
    rows = is_own_source[index.source_ids].nonzero()[0].astype(np.int32)  # mappings of its sources, by any head
    pairs, pair_heads = index.pairs_of_rows(rows)
    heads_of_shared_pairs = pair_heads[np.isin(pairs, pairs[pair_heads == own[0]])]
    by_mappings = similarity_to_head(heads_of_shared_pairs, index.pair_counts, own[0])
    by_sources = similarity_to_head(index.head_index[rows], index.source_counts, own[0])
    order = np.lexsort((-by_sources, -by_mappings))  # stable: by layer and head where both are equal
    best = [i for i in order[: n + 1].tolist() if i != own[0] and by_sources[i] > 0][:n]
    return [SimilarHead(HeadId(*index.heads[i].tolist()), float(by_mappings[i]), float(by_sources[i])) for i in best]


def similarity_to_head(heads_of_shared: Numbers, sizes: Numbers, own: int) -> Numbers:
    """Jaccard similarity of every head's set with that of head `own`, (H,).

    `heads_of_shared` has a head's index for each of its elements that `own` has too; `sizes` (H,) are the sets' sizes.
    """
    shared = np.bincount(heads_of_shared, minlength=len(sizes)).astype(np.float64)
    return np.nan_to_num(jaccard_from_counts(shared, sizes, sizes[own]))
