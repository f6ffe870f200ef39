"""The heads that have some tokens as sources or among their targets, over all atlases searched, best first."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from space.search.index import Index
from space.search.results import Cut, Hit, Mapped, Section
from space.search.similar_tokens import Meant
from space.search.tokens import Ints, Places, Tokens

SHOWN_HITS = 3  # mappings shown of a head


class Place(Enum):
    """Where a token stands in a mapping."""

    SOURCE = "source"
    TARGET = "target"


class Ranked(NamedTuple):
    """One atlas's places with the tokens, best first, and of each head the first one, and how many mappings it has.

    `keys` (heads, 3): how near the token is, its place among the targets, the rank; heads are compared by these.
    """

    places: Places
    heads: Ints
    keys: Ints
    mappings: Ints


def heads_with(indexes: Sequence[Index], meant: Meant, place: Place, cut: Cut) -> Section[Mapped]:
    """A page of the heads: those with the token just as typed first, then by place and rank."""
    ranked = [in_order(index.tokens, tokens, place) for index, tokens in zip(indexes, meant, strict=True)]
    total = sum(len(each.heads) for each in ranked)
    which = np.repeat(np.arange(len(ranked)), [len(each.heads) for each in ranked])
    within = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(each.heads)) for each in ranked)]).astype(np.int64)
    keys = np.concatenate([np.zeros((0, 3), np.int32), *(each.keys for each in ranked)])
    order = np.lexsort(keys.T[::-1])[cut.part]
    chosen = zip(which[order].tolist(), within[order].tolist(), strict=True)
    return Section.of([mapped(indexes[each], ranked[each], head) for each, head in chosen], total, cut)


def in_order(tokens: Tokens, meant: dict[int, int], place: Place) -> Ranked:
    """One atlas's places of some tokens and the heads that they belong to, best first."""
    found = tokens.as_source(list(meant)) if place is Place.SOURCE else tokens.as_target(list(meant))
    far = np.array([meant[token] for token in found.tokens.tolist()], np.int32)
    numbers = tokens.head_numbers(found.mappings)
    ranks = tokens.ranks[found.mappings].astype(np.int32)
    order = np.lexsort((numbers, ranks, found.places, far))
    best = Places(*(column[order] for column in (found.mappings, found.places, found.tokens)))
    keys = np.column_stack([far, found.places, ranks])[order]
    heads, first = np.unique(numbers[order], return_index=True)
    once = tokens.head_numbers(np.unique(found.mappings))
    mappings = np.unique(once, return_counts=True)[1]
    by_first = np.argsort(first, kind="stable")
    return Ranked(best, heads[by_first], keys[first[by_first]], mappings[by_first].astype(np.int32))


def mapped(index: Index, ranked: Ranked, head: int) -> Mapped:
    """A head with its best mappings."""
    tokens, number = index.tokens, ranked.heads[head]
    mine = np.flatnonzero(tokens.head_numbers(ranked.places.mappings) == number)[:SHOWN_HITS]
    hits = []
    for at in mine.tolist():
        mapping, place, token = (int(column[at]) for column in ranked.places)
        source = tokens.string(tokens.token(int(tokens.sources[mapping])))
        hits.append(Hit(int(tokens.ranks[mapping]), source, tokens.string(token) if place else "", place))
    name = tokens.head(int(ranked.places.mappings[mine[0]]))
    return Mapped(index.model, name, tuple(hits), int(ranked.mappings[head]))
