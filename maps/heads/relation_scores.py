"""Relation scores: how many pairs (s, t) of a relation a head reproduces, such as France → Paris.

    φ           = share of a relation's pairs with t among the k highest entries of row s of M (paper, section 3.1)
    suppression = share of the pairs with t among the k lowest

Only pairs whose strings are single tokens of the vocabulary are used. The rank tests of all pairs under all heads of a
layer are done together, in two steps: the low-rank sieve rules out most pairs with products of d_h terms; those that
survive, from many heads, are pooled and tested with all d terms (see `rank_tests`).
"""

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
from maps.heads.target_side import TargetSide
from maps.heads.unembedding import Unembedding
from maps.types import MIN_PAIRS_BEYOND_COPYING, Relation, RelationScore, is_copying_relation

LARGE_VOCABULARY = 100_000  # entries; from here on the paper takes a larger k
POOLED_ROWS = 2048  # surviving pairs that are collected before a test at full width

SingleTokenLookup = Callable[[Sequence[str]], list[int | None]]


@dataclass(frozen=True)
class UsableRelation:
    """The pairs of a relation that are single tokens of one vocabulary, as ids, and the k of the rank test."""

    relation: Relation
    k: int
    sources: tuple[int, ...]
    targets: tuple[int, ...]


def default_k(relation: Relation, vocabulary: int) -> int:
    """The paper's k: 1 for the copying relations, 10 for others; 3 and 25 with 100,000 tokens or more."""
    is_copying = is_copying_relation(relation.name, relation.category)
    if vocabulary >= LARGE_VOCABULARY:
        return 3 if is_copying else 25
    return 1 if is_copying else 10


def find_token_pairs(
    relation: Relation, single_tokens: SingleTokenLookup, unspaced_tokens: SingleTokenLookup | None = None
) -> list[tuple[int, int] | None]:
    """The ids of each pair of a relation, None where one of its strings is not one token.

    In a user's own relation, words that are no single token behind a space are looked up by `unspaced_tokens` too.
    """
    sources, targets = ([pair[side] for pair in relation.pairs] for side in (0, 1))
    source_ids, target_ids = single_tokens(sources), single_tokens(targets)
    pairs = [join_pair(s, t) for s, t in zip(source_ids, target_ids, strict=True)]
    if unspaced_tokens is None or relation.category or None not in pairs:
        return pairs
    # Both words without the space if possible, as they stand next to each other in a text.
    bare = zip(unspaced_tokens(sources), source_ids, unspaced_tokens(targets), target_ids, strict=True)
    own = [join_pair(first_id(s, spaced_s), first_id(t, spaced_t)) for s, spaced_s, t, spaced_t in bare]
    return [pair or other for pair, other in zip(pairs, own, strict=True)]


def join_pair(source: int | None, target: int | None) -> tuple[int, int] | None:
    return None if source is None or target is None else (source, target)


def first_id(*ids: int | None) -> int | None:
    return next((i for i in ids if i is not None), None)


def select_usable_pairs(
    relation: Relation, single_tokens: SingleTokenLookup, k: int, unspaced_tokens: SingleTokenLookup | None = None
) -> UsableRelation:
    """The pairs whose strings are both one token; pairs that become the same two ids count once."""
    pairs = find_token_pairs(relation, single_tokens, unspaced_tokens)
    usable = list(dict.fromkeys(pair for pair in pairs if pair is not None))
    return UsableRelation(relation, k, tuple(s for s, _ in usable), tuple(t for _, t in usable))


@dataclass(frozen=True)
class UsablePairs:
    """The usable pairs of all relations in one list of n pairs."""

    relations: tuple[UsableRelation, ...]
    sources: Tensor  # (n,) ids
    targets: Tensor  # (n,) ids
    k: Tensor  # (n,)

    @classmethod
    def from_relations(cls, relations: Sequence[UsableRelation], device: torch.device | str = "cpu") -> UsablePairs:
        sources = [source for relation in relations for source in relation.sources]
        targets = [target for relation in relations for target in relation.targets]
        k = [relation.k for relation in relations for _ in relation.sources]
        return cls(tuple(relations), *torch.tensor([sources, targets, k], dtype=torch.long, device=device))


def score_layer_relations(
    pairs: UsablePairs, sources: Sources, heads: HeadWeights, unembedding: Unembedding, copied: Tensor
) -> list[list[RelationScore]]:
    """φ and suppression of every relation under every head of a layer: one list of relations for each head.

    Both are in [0, 1], or None for a relation without usable pairs. `heads` are the layer's weights in float64,
    `copied` the pairs that copying hits (`find_copied_pairs`).
    """
    hits = find_layer_hits(pairs, sources, heads, unembedding)
    return [scores_from_hits(pairs.relations, *hits.of_head(head), copied) for head in range(len(hits.top))]


def find_copied_pairs(
    pairs: UsablePairs, sources: Sources, target_side: TargetSide, unembedding: Unembedding
) -> Tensor:
    """The pairs that the identity matrix in a head's place would hit, (n,) bool: what copying alone gives."""
    return is_among_highest(target_side.apply(sources.exact_rows(pairs.sources)), pairs.targets, pairs.k, unembedding)


class SurvivingPairs(NamedTuple):
    """Pairs that the low-rank sieve could not rule out, for one head and one side."""

    side: int  # 0: highest; 1: lowest, which are the highest of the negated output
    head: int
    pair_ids: Tensor  # (m,)
    output_rows: Tensor  # (m, d) what the head writes for each source, negated on side 1


def find_layer_hits(pairs: UsablePairs, sources: Sources, heads: HeadWeights, unembedding: Unembedding) -> TargetHits:
    """The rank tests of all pairs under all heads, whose weights are in float64: top and bottom (H, n)."""
    values = heads.values.transpose(0, 1).flatten(1)  # (d, KV d_h)
    tokens, token_index = pairs.sources.unique(return_inverse=True)
    z = (sources.exact_rows(tokens) @ values).unflatten(1, (len(heads.values), -1))  # (m, KV, d_h)
    return find_hits(z[token_index], heads.outputs, pairs.targets, pairs.k, unembedding)


def find_hits(z: Tensor, outputs: Tensor, targets: Tensor, k: Tensor, unembedding: Unembedding) -> TargetHits:
    """The rank tests of all pairs, from the vectors z that W_O multiplies: top and bottom (H, n).

    z (n, KV, d_h) in float64, each shared by a group of heads; outputs (H, d_h, d) in float64, targets (n,) and k (n,).
    """
    hits = torch.zeros(2, len(outputs), len(k), dtype=torch.bool, device=k.device)  # side, head, pair
    for pool in pool_pairs(sieve_pairs(z, outputs, targets, k, unembedding)):
        pair_ids = torch.cat([survivors.pair_ids for survivors in pool])
        output_rows = torch.cat([survivors.output_rows for survivors in pool])
        is_hit = is_among_highest(output_rows, targets[pair_ids], k[pair_ids], unembedding)
        sizes = [len(survivors.pair_ids) for survivors in pool]
        for survivors, outcome in zip(pool, is_hit.split(sizes), strict=True):
            hits[survivors.side, survivors.head, survivors.pair_ids] = outcome
    return TargetHits(*hits)


def sieve_pairs(
    z: Tensor, outputs: Tensor, targets: Tensor, k: Tensor, unembedding: Unembedding
) -> Iterator[SurvivingPairs]:
    """The pairs that may be hits, head by head and side by side."""
    sieve, group = LowRankSieve.prepare(outputs, targets, unembedding), len(outputs) // z.shape[1]
    for kv, value_rows in enumerate(z.unbind(1)):
        unit_rows = normalise_rows(value_rows)[0].float()  # (n, d_h), the same for all heads of the group
        for head in range(kv * group, (kv + 1) * group):
            for side, pair_ids in enumerate(sieve.surviving_pairs(unit_rows, head, k)):
                output_rows = value_rows[pair_ids] @ outputs[head]
                yield SurvivingPairs(side, head, pair_ids, -output_rows if side else output_rows)


def pool_pairs(survivors: Iterable[SurvivingPairs]) -> Iterator[list[SurvivingPairs]]:
    """Collects survivors of several heads until there are POOLED_ROWS rows or more: one large product is faster."""
    pool: list[SurvivingPairs] = []
    for each in survivors:
        pool.append(each)
        if sum(len(waiting.pair_ids) for waiting in pool) >= POOLED_ROWS:
            yield pool
            pool = []
    if pool:
        yield pool


def scores_from_hits(
    relations: Sequence[UsableRelation], top: Tensor, bottom: Tensor, copied: Tensor
) -> list[RelationScore]:
    """One head's scores from its hits (n,) and the pairs that copying hits (n,), in the order of the pairs."""
    sizes, scores = [len(usable.sources) for usable in relations], []
    parts = (hits.split(sizes) for hits in (top, bottom, copied))
    for usable, n, own_top, own_bottom, own_copied in zip(relations, sizes, *parts, strict=True):
        left = n - int(own_copied.sum())
        is_enough = left >= MIN_PAIRS_BEYOND_COPYING
        scores.append(
            RelationScore(
                usable.relation.name,
                usable.relation.category,
                usable.k,
                n,
                score=share_of(own_top, n),
                suppression=share_of(own_bottom, n),
                identity=share_of(own_copied, n),
                beyond_copying=share_of(own_top & ~own_copied, left) if is_enough else None,
                suppression_beyond_copying=share_of(own_bottom & ~own_copied, left) if is_enough else None,
                beyond_copying_pairs=left,
            )
        )
    return scores


def share_of(hits: Tensor, pairs: int) -> float | None:
    return int(hits.sum()) / pairs if pairs else None
