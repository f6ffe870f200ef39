"""Predefined relations: string pairs, the pairs that a vocabulary can express, and their scores on a layer's heads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.circuit import HeadWeights
from maps.heads.eight_bit import normalise_rows
from maps.heads.rank_tests import LowRankSieve, TargetHits, is_among_highest
from maps.heads.sources import Sources
from maps.heads.unembedding import Unembedding
from maps.types import Relation, RelationScore

LARGE_VOCABULARY = 100_000  # from Llama-3's size on, k is larger
COPYING_RELATIONS = ("copying", "name_copying")
POOLED_ROWS = 2048  # rows that are tested at full width together

SingleTokenLookup = Callable[[Sequence[str]], list[int | None]]


@dataclass(frozen=True)
class UsableRelation:
    """A relation's pairs as single tokens of one vocabulary: sources and targets are ids, k how many count."""

    relation: Relation
    k: int
    sources: tuple[int, ...]
    targets: tuple[int, ...]


def default_k(relation: Relation, vocabulary: int) -> int:
    """The paper's k: 1 for the copying relations and 10 for others, 3 and 25 in a vocabulary of Llama-3's size."""
    strict = relation.category != "" and relation.name in COPYING_RELATIONS
    if vocabulary >= LARGE_VOCABULARY:
        return 3 if strict else 25
    return 1 if strict else 10


def select_usable_pairs(relation: Relation, single_tokens: SingleTokenLookup, k: int) -> UsableRelation:
    """The pairs of which both strings are one token; a pair of ids that two pairs share counts once."""
    sources = single_tokens([source for source, _ in relation.pairs])
    targets = single_tokens([target for _, target in relation.pairs])
    both = zip(sources, targets, strict=True)
    kept = list(dict.fromkeys((s, t) for s, t in both if s is not None and t is not None))
    return UsableRelation(relation, k, tuple(s for s, _ in kept), tuple(t for _, t in kept))


@dataclass(frozen=True)
class UsablePairs:
    """The usable pairs of all relations, one after the other, as tensors (n,)."""

    relations: tuple[UsableRelation, ...]
    sources: Tensor
    targets: Tensor
    k: Tensor

    @classmethod
    def from_relations(cls, relations: Sequence[UsableRelation], device: torch.device | str = "cpu") -> UsablePairs:
        """Puts them on a device."""
        lists = (
            [s for r in relations for s in r.sources],
            [t for r in relations for t in r.targets],
            [r.k for r in relations for _ in r.sources],
        )
        return cls(tuple(relations), *(torch.tensor(x, dtype=torch.long, device=device) for x in lists))


def score_layer_relations(
    pairs: UsablePairs, sources: Sources, heads: HeadWeights, unembedding: Unembedding
) -> list[list[RelationScore]]:
    """φ and suppression of every relation on every head of a layer; a list of relations for each head.

    φ is the share of pairs whose target is among the k highest tokens of its source's row of M, suppression among
    the k lowest (paper, section 3.1). Both lie in [0, 1], and are None for a relation without usable pairs.
    `heads` holds the layer's weights in float64. Most pairs fall through the low-rank sieve; the others are tested
    at full width, those of many heads together.
    """
    found = find_layer_hits(pairs, sources, heads, unembedding)
    return [scores_from_hits(pairs.relations, top, bottom) for top, bottom in zip(found.top, found.bottom, strict=True)]


class SurvivingPairs(NamedTuple):
    """What is left open of one head's pairs, at one end: which (m,), and what the head writes for their sources (m, d).

    Side 0 asks for the highest. Side 1 asks for the lowest, which are the highest of what is written, negated.
    """

    side: int
    head: int
    pair_ids: Tensor
    written_rows: Tensor


def find_layer_hits(pairs: UsablePairs, sources: Sources, heads: HeadWeights, unembedding: Unembedding) -> TargetHits:
    """The rank tests of all pairs under all heads, which are in float64: top and bottom (H, n)."""
    values = heads.values.transpose(0, 1).flatten(1)  # (d, KV d_h)
    tokens, which = pairs.sources.unique(return_inverse=True)
    read = (sources.exact_rows(tokens) @ values).unflatten(1, (len(heads.values), -1))  # (m, KV, d_h)
    return find_hits(read[which], heads.outputs, pairs.targets, pairs.k, unembedding)


def find_hits(read: Tensor, outputs: Tensor, targets: Tensor, k: Tensor, unembedding: Unembedding) -> TargetHits:
    """The rank tests of what heads make of what they have read: top and bottom (H, n).

    `read` (n, KV, d_h) in float64 is what W_O multiplies, of every head or of each group that shares it; outputs
    (H, d_h, d) in float64, targets (n,) and k (n,).
    """
    found = torch.zeros(2, len(outputs), len(k), dtype=torch.bool, device=k.device)
    for some in pool_pairs(sieve_pairs(read, outputs, targets, k, unembedding), POOLED_ROWS):
        which = torch.cat([each.pair_ids for each in some])
        written = torch.cat([each.written_rows for each in some])
        full = is_among_highest(written, targets[which], k[which], unembedding)
        for each, hit in zip(some, full.split([len(each.pair_ids) for each in some]), strict=True):
            found[each.side, each.head, each.pair_ids] = hit
    return TargetHits(*found)


def sieve_pairs(
    read: Tensor, outputs: Tensor, targets: Tensor, k: Tensor, unembedding: Unembedding
) -> Iterator[SurvivingPairs]:
    """The pairs that may be hits, head by head and side by side."""
    sieve, group = LowRankSieve.prepare(outputs, targets, unembedding), len(outputs) // read.shape[1]
    for kv, z in enumerate(read.unbind(1)):
        rows = normalise_rows(z)[0].float()  # (n, d_h): the heads of a group share what they read
        for head in range(kv * group, (kv + 1) * group):
            for side, live in enumerate(sieve.surviving_pairs(rows, head, k)):
                written = z[live] @ outputs[head]
                yield SurvivingPairs(side, head, live, -written if side else written)


def pool_pairs(survivors: Iterable[SurvivingPairs], rows: int) -> Iterator[list[SurvivingPairs]]:
    """Survivors of heads together, as many as make up about so many rows."""
    waiting: list[SurvivingPairs] = []
    for each in survivors:
        waiting.append(each)
        if sum(len(one.pair_ids) for one in waiting) >= rows:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def scores_from_hits(relations: Sequence[UsableRelation], top: Tensor, bottom: Tensor) -> list[RelationScore]:
    """Turns one head's hits, in the order of the relations' pairs, into scores."""
    sizes = [len(r.sources) for r in relations]
    out = []
    for r, high, low in zip(relations, top.split(sizes), bottom.split(sizes), strict=True):
        n = len(r.sources)
        score, suppression = (int(high.sum()) / n, int(low.sum()) / n) if n else (None, None)
        out.append(RelationScore(r.relation.name, r.relation.category, r.k, n, score, suppression))
    return out
