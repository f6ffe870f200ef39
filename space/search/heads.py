"""The heads that have some tokens as sources or among their targets, over all atlases searched, best first."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

from space.search.index import SearchIndex
from space.search.results import HeadHit, MappingHit, PageSlice, ResultSection
from space.search.similar_tokens import TokenDistances
from space.search.tokens import Ints, TokenIndex, TokenOccurrences

MAX_HITS_SHOWN = 3  # mappings shown of a head


class TokenRole(Enum):
    """Where a token stands in a mapping."""

    SOURCE = "source"
    TARGET = "target"


class RankedHeads(NamedTuple):
    """One atlas's places with the tokens, best first, and of each head the first one, and how many mappings it has.

    `sort_keys` (heads, 3): how near the token is, its place among the targets, the rank; heads are compared by these.
    """

    occurrences: TokenOccurrences
    heads: Ints
    sort_keys: Ints
    mapping_counts: Ints


def find_heads(
    indexes: Sequence[SearchIndex], matching_tokens: TokenDistances, role: TokenRole, page_slice: PageSlice
) -> ResultSection[HeadHit]:
    """A page of the heads: those with the token just as typed first, then by place and rank."""
    ranked = [rank_heads(index.tokens, tokens, role) for index, tokens in zip(indexes, matching_tokens, strict=True)]
    total = sum(len(each.heads) for each in ranked)
    which = np.repeat(np.arange(len(ranked)), [len(each.heads) for each in ranked])
    within = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(each.heads)) for each in ranked)]).astype(np.int64)
    keys = np.concatenate([np.zeros((0, 3), np.int32), *(each.sort_keys for each in ranked)])
    order = np.lexsort(keys.T[::-1])[page_slice.as_slice]
    chosen = zip(which[order].tolist(), within[order].tolist(), strict=True)
    return ResultSection.build(
        [make_head_hit(indexes[each], ranked[each], head) for each, head in chosen], total, page_slice
    )


def rank_heads(tokens: TokenIndex, token_distances: dict[int, int], role: TokenRole) -> RankedHeads:
    """One atlas's places of some tokens and the heads that they belong to, best first."""
    found = (
        tokens.source_occurrences(list(token_distances))
        if role is TokenRole.SOURCE
        else tokens.target_occurrences(list(token_distances))
    )
    far = np.array([token_distances[token] for token in found.tokens.tolist()], np.int32)
    numbers = tokens.head_numbers(found.mappings)
    ranks = tokens.ranks[found.mappings].astype(np.int32)
    order = np.lexsort((numbers, ranks, found.positions, far))
    best = TokenOccurrences(*(column[order] for column in (found.mappings, found.positions, found.tokens)))
    keys = np.column_stack([far, found.positions, ranks])[order]
    heads, first = np.unique(numbers[order], return_index=True)
    once = tokens.head_numbers(np.unique(found.mappings))
    mappings = np.unique(once, return_counts=True)[1]
    by_first = np.argsort(first, kind="stable")
    return RankedHeads(best, heads[by_first], keys[first[by_first]], mappings[by_first].astype(np.int32))


def make_head_hit(index: SearchIndex, ranked: RankedHeads, head_index: int) -> HeadHit:
    """A head with its best mappings."""
    tokens, number = index.tokens, ranked.heads[head_index]
    mine = np.flatnonzero(tokens.head_numbers(ranked.occurrences.mappings) == number)[:MAX_HITS_SHOWN]
    hits = []
    for at in mine.tolist():
        mapping, place, token = (int(column[at]) for column in ranked.occurrences)
        source = tokens.string(tokens.token(int(tokens.sources[mapping])))
        hits.append(MappingHit(int(tokens.ranks[mapping]), source, tokens.string(token) if place else "", place))
    name = tokens.head(int(ranked.occurrences.mappings[mine[0]]))
    return HeadHit(index.model, name, tuple(hits), int(ranked.mapping_counts[head_index]))
