"""Predefined relations: string pairs, the pairs that a vocabulary can express, and their scores on a layer's heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from maps.circuits import Heads, Sources
from maps.ranks import Columns, hits
from maps.types import Relation, RelationScore

LARGE_VOCABULARY = 100_000  # from Llama-3's size on, k is larger
COPYING = ("copying", "name_copying")
HEAD_ROWS = 16_384  # rows of a float64 product at a time

SingleTokens = Callable[[Sequence[str]], list[int | None]]


@dataclass(frozen=True)
class UsableRelation:
    """A relation's pairs as single tokens of one vocabulary: sources and targets are ids, k how many count."""

    relation: Relation
    k: int
    sources: tuple[int, ...]
    targets: tuple[int, ...]


def default_k(relation: Relation, vocabulary: int) -> int:
    """The paper's k: 1 for the copying relations and 10 for others, 3 and 25 in a vocabulary of Llama-3's size."""
    strict = relation.category != "" and relation.name in COPYING
    if vocabulary >= LARGE_VOCABULARY:
        return 3 if strict else 25
    return 1 if strict else 10


def usable(relation: Relation, single_tokens: SingleTokens, k: int) -> UsableRelation:
    """The pairs of which both strings are one token; a pair of ids that two pairs share counts once."""
    sources = single_tokens([source for source, _ in relation.pairs])
    targets = single_tokens([target for _, target in relation.pairs])
    both = zip(sources, targets, strict=True)
    kept = list(dict.fromkeys((s, t) for s, t in both if s is not None and t is not None))
    return UsableRelation(relation, k, tuple(s for s, _ in kept), tuple(t for _, t in kept))


def scores_of_layer(
    relations: Sequence[UsableRelation], sources: Sources, exact: Heads, columns: Columns
) -> list[list[RelationScore]]:
    """φ and suppression of every relation on every head of a layer; a list of relations for each head.

    φ is the share of pairs whose target is among the k highest tokens of its source's row of M, suppression among
    the k lowest (paper, section 3.1). Both lie in [0, 1], and are None for a relation without usable pairs.
    `exact` holds the layer's weights in float64.
    """
    device = sources.embedding.device
    read = torch.tensor([s for r in relations for s in r.sources], dtype=torch.long, device=device)
    wanted = torch.tensor([t for r in relations for t in r.targets], dtype=torch.long, device=device)
    k = torch.tensor([r.k for r in relations for _ in r.sources], dtype=torch.long, device=device)
    rows = sources.exact(read)
    at_once = max(1, HEAD_ROWS // max(1, len(rows)))
    scored: list[list[RelationScore]] = []
    for start in range(0, len(exact.outputs), at_once):
        chunk = range(start, min(start + at_once, len(exact.outputs)))
        y = torch.cat([exact.written(rows, head) for head in chunk])
        found = hits(y, wanted.repeat(len(chunk)), k.repeat(len(chunk)), columns)
        for top, bottom in zip(found.top.view(len(chunk), -1), found.bottom.view(len(chunk), -1), strict=True):
            scored.append(shares(relations, top, bottom))
    return scored


def shares(relations: Sequence[UsableRelation], top: Tensor, bottom: Tensor) -> list[RelationScore]:
    """Turns one head's hits, in the order of the relations' pairs, into scores."""
    sizes = [len(r.sources) for r in relations]
    out = []
    for r, high, low in zip(relations, top.split(sizes), bottom.split(sizes), strict=True):
        n = len(r.sources)
        score, suppression = (int(high.sum()) / n, int(low.sum()) / n) if n else (None, None)
        out.append(RelationScore(r.relation.name, r.relation.category, r.k, n, score, suppression))
    return out
