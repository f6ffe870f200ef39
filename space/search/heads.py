"""Finds the heads that have some tokens among their sources or targets, over all atlases searched, best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from space.search.index import SearchIndex
from space.search.results import HeadHit, MappingHit, PageSlice, ResultSection
from space.search.similar_tokens import TokenDistances
from space.search.tokens import Ints, TokenIndex, TokenOccurrences

MAX_HITS_SHOWN = 3  # mappings shown of a head
FindTokens = Callable[[TokenIndex, Sequence[int]], TokenOccurrences]  # TokenIndex.source_occurrences or the targets'


class RankedHeads(NamedTuple):
    """The heads of one atlas that have some tokens, best first, and all occurrences of the tokens, best first.

    `sort_keys`, shape (heads, 3), are those of a head's best occurrence: the token's distance from the search, its
    position among the targets, the mapping's rank. They order heads across atlases too. `mapping_counts`: how many
    mappings of each head contain a token.
    """

    occurrences: TokenOccurrences
    heads: Ints
    sort_keys: Ints
    mapping_counts: Ints


def find_heads(
    indexes: Sequence[SearchIndex], matching_tokens: TokenDistances, find: FindTokens, page_slice: PageSlice
) -> ResultSection[HeadHit]:
    """A page of the heads: those with the token exactly as typed first, then by position and rank."""
    ranked = [rank_heads(index.tokens, tokens, find) for index, tokens in zip(indexes, matching_tokens, strict=True)]
    total = sum(len(part.heads) for part in ranked)
    # One long list over all indexes: which index, which head of it, and the head's sort keys.
    places = [(number, head) for number, part in enumerate(ranked) for head in range(len(part.heads))]
    keys = np.concatenate([np.zeros((0, 3), np.int32), *(part.sort_keys for part in ranked)])
    order = np.lexsort((keys[:, 2], keys[:, 1], keys[:, 0]))[page_slice.as_slice]  # the last key counts first
    hits = []
    for place in order.tolist():
        number, head = places[place]
        hits.append(make_head_hit(indexes[number], ranked[number], head))
    return ResultSection.build(hits, total, page_slice)


def rank_heads(tokens: TokenIndex, token_distances: dict[int, int], find: FindTokens) -> RankedHeads:
    """The heads of one atlas that have some tokens (given with their distances from the search), best first."""
    occurrences = find(tokens, list(token_distances))
    mappings, positions = occurrences.mappings, occurrences.positions
    distances = np.array([token_distances[token] for token in occurrences.tokens.tolist()], np.int32)
    head_numbers = tokens.head_numbers(mappings)
    ranks = tokens.ranks[mappings].astype(np.int32)
    order = np.lexsort((head_numbers, ranks, positions, distances))  # the last key counts first
    best_first = TokenOccurrences(mappings[order], positions[order], occurrences.tokens[order])
    sort_keys = np.column_stack([distances, positions, ranks])[order]
    heads, first = np.unique(head_numbers[order], return_index=True)  # the first occurrence of a head is its best
    _, mapping_counts = np.unique(tokens.head_numbers(np.unique(mappings)), return_counts=True)
    by_best = np.argsort(first, kind="stable")
    return RankedHeads(best_first, heads[by_best], sort_keys[first[by_best]], mapping_counts[by_best].astype(np.int32))


def make_head_hit(index: SearchIndex, ranked: RankedHeads, head_index: int) -> HeadHit:
    tokens, occurrences = index.tokens, ranked.occurrences
    is_of_head = tokens.head_numbers(occurrences.mappings) == ranked.heads[head_index]
    rows = np.flatnonzero(is_of_head)[:MAX_HITS_SHOWN].tolist()
    hits = []
    for row in rows:
        mapping, position = int(occurrences.mappings[row]), int(occurrences.positions[row])
        source = tokens.string(tokens.token(int(tokens.sources[mapping])))
        target = tokens.string(int(occurrences.tokens[row])) if position else ""
        hits.append(MappingHit(int(tokens.ranks[mapping]), source, target, position))
    head = tokens.head(int(occurrences.mappings[rows[0]]))
    return HeadHit(index.model, head, tuple(hits), int(ranked.mapping_counts[head_index]))
