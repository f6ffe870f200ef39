"""Which heads are most like one head: the overlap of their salient sources and of their (source, target) mappings."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from maps.analysis.value_groups import Numbers, pair_numbers, share_of_union, sources, targets
from maps.types import HeadId

COLUMNS = ("layer", "head", "source_id", "target_ids")  # of the atlas's table that are read
By = Literal["mappings", "sources"]


class Similar(NamedTuple):
    """Another head with the Jaccard similarity of its mappings and of its salient sources, 0 to 1."""

    head: HeadId
    mappings: float
    sources: float


class Mapped(NamedTuple):
    """The salient mappings of H heads as int32: m of them, whose t targets stand one after the other."""

    heads: Numbers  # (H, 2) layer and head, in order
    of: Numbers  # (m,) number of the head
    source: Numbers  # (m,)
    target: Numbers  # (t,)
    start: Numbers  # (m + 1,) of each mapping's targets
    sources: Numbers  # (H,) how many a head has
    pairs: Numbers  # (H,) how many (source, target) pairs

    @classmethod
    def of_table(cls, mappings: pa.Table) -> Mapped:
        """From the atlas's table, or its COLUMNS."""
        layer, head, source = sources(mappings)
        row, target = targets(mappings)
        names, of = np.unique(layer.astype(np.int64) << 32 | head, return_inverse=True)
        count = np.bincount(row, minlength=len(source))
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
        heads = np.stack([names >> 32, names & 0xFFFFFFFF], axis=1).astype(np.int32)
        sizes = (np.bincount(each, minlength=len(names)).astype(np.int32) for each in (of, of[row]))
        return cls(heads, of.astype(np.int32), source, target, start, *sizes)

    def pairs_of(self, rows: Numbers) -> tuple[Numbers, Numbers]:
        """The (source, target) pairs of some mappings as numbers, each with its head's number."""
        count = self.start[rows + 1] - self.start[rows]
        first = np.repeat(self.start[rows] - (np.cumsum(count) - count), count)
        target = self.target[first + np.arange(len(first), dtype=np.int32)]
        return pair_numbers(np.repeat(self.source[rows], count), target), np.repeat(self.of[rows], count)


def similar_heads(mapped: Mapped, head: HeadId, n: int = 10, by: By = "mappings") -> list[Similar]:
    """The n other heads that are most like a head, the most alike first; those that share nothing with it are left out.

    They are in the order of the similarity that `by` names, then of the other one, then by layer and head. A head's
    sources are distinct, and so are the targets of a source, as in every atlas. A head without mappings is like none.
    """
    [own] = (mapped.heads == head).all(axis=1).nonzero()
    if not len(own):
        return []
    is_mine = np.zeros(int(mapped.source.max()) + 1, dtype=bool)
    is_mine[mapped.source[mapped.of == own[0]]] = True
    rows = is_mine[mapped.source].nonzero()[0].astype(np.int32)  # the mappings of its sources, by any head
    pairs, of = mapped.pairs_of(rows)
    shared = of[np.isin(pairs, pairs[of == own[0]])]
    found = {
        "sources": overlap(mapped.of[rows], mapped.sources, own[0]),
        "mappings": overlap(shared, mapped.pairs, own[0]),
    }
    other = found["sources" if by == "mappings" else "mappings"]
    best = np.lexsort((-other, -found[by]))  # stable, so by layer and head where both are equal
    some = [i for i in best[: n + 1].tolist() if i != own[0] and found["sources"][i] > 0][:n]
    return [
        Similar(HeadId(*mapped.heads[i].tolist()), float(found["mappings"][i]), float(found["sources"][i]))
        for i in some
    ]


def overlap(shared: Numbers, sizes: Numbers, own: int) -> Numbers:
    """The similarity of every head to one: from the heads of the elements that this one has too, and all sizes (H,)."""
    counts = np.bincount(shared, minlength=len(sizes)).astype(np.float64)
    return np.nan_to_num(share_of_union(counts, sizes, sizes[own]))
