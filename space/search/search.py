"""Searches the indexes of one or several atlases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maps.errors import MapsError
from space.search.heads import find_heads
from space.search.index import SearchIndex
from space.search.named_heads import find_named_heads
from space.search.query import Query
from space.search.relations import find_relations
from space.search.results import (
    OVERVIEW_SIZE,
    PAGE_SIZE,
    RESULT_KINDS,
    DescriptionHit,
    PageSlice,
    ResultSection,
    SearchResults,
)
from space.search.similar_tokens import find_similar_tokens, make_token_hits, match_tokens
from space.search.tokens import TokenIndex

HIGHEST_PAGE = 10**6


def search(indexes: Sequence[SearchIndex], typed_text: str, kind: str = "", page: int = 1) -> SearchResults:
    """Searches for any string. `kind` is one of RESULT_KINDS, or empty for the first results of each kind.

    Raises MapsError for an unknown kind and for a page that does not exist.
    """
    if kind and kind not in RESULT_KINDS:
        raise MapsError(f"There is no kind of result {kind!r}. The kinds are {', '.join(RESULT_KINDS)}.")
    if not 1 <= page <= HIGHEST_PAGE:
        raise MapsError("The page of a search must be a whole number from 1 on.")
    query = Query.parse(typed_text)
    slices = {name: PageSlice(1, OVERVIEW_SIZE) for name in RESULT_KINDS}
    if kind:
        slices[kind] = PageSlice(page, PAGE_SIZE)
    near_tokens = [index.tokens.near_tokens(query) for index in indexes]
    matching_tokens, has_exact_tokens = match_tokens(indexes, query, near_tokens)
    descriptions, highlighted_words, has_every_word = find_descriptions(indexes, query, slices["descriptions"])
    named_heads, missing_heads = find_named_heads(indexes, query)
    relations = [(index.model, index.relations) for index in indexes]
    found_relations, has_every_word_of_relation = find_relations(relations, query, slices["relations"])
    return SearchResults(
        query=query,
        kind=kind,
        named_heads=named_heads,
        missing_heads=missing_heads,
        relations=found_relations,
        has_every_word_of_relation=has_every_word_of_relation,
        descriptions=descriptions,
        highlighted_words=highlighted_words,
        has_every_word=has_every_word,
        matching_tokens=make_token_hits(indexes, matching_tokens),
        has_exact_tokens=has_exact_tokens,
        sources=find_heads(indexes, matching_tokens, TokenIndex.source_occurrences, slices["sources"]),
        targets=find_heads(indexes, matching_tokens, TokenIndex.target_occurrences, slices["targets"]),
        alike=find_similar_tokens(indexes, near_tokens, matching_tokens, slices["tokens"]),
    )


def find_descriptions(
    indexes: Sequence[SearchIndex], query: Query, page_slice: PageSlice
) -> tuple[ResultSection[DescriptionHit], frozenset[str], bool]:
    """Descriptions with all words of the search or, if none has all, those with the most words; best first.

    Stop words do not count. Also returns the words to be marked in them, and whether they have every word.
    """
    matches = [index.descriptions.match_words(query.content_words) for index in indexes]
    most = max((int(match.word_counts.max(initial=0)) for match in matches), default=0)
    rows_by_index = [np.flatnonzero(match.word_counts == most) if most else np.zeros(0, np.int64) for match in matches]
    # One long array over all indexes: which index, which row of it, and the row's score.
    index_numbers = np.repeat(np.arange(len(indexes)), [len(rows) for rows in rows_by_index])
    rows = join_arrays(rows_by_index)
    scores = join_arrays([match.scores[part] for match, part in zip(matches, rows_by_index, strict=True)])
    order = np.argsort(-scores, kind="stable")[page_slice.as_slice]
    hits = [
        indexes[number].descriptions.hit(indexes[number].model, matches[number], row)
        for number, row in zip(index_numbers[order].tolist(), rows[order].tolist(), strict=True)
    ]
    highlighted_words = frozenset[str]().union(*(match.matched_words for match in matches))
    return ResultSection.build(hits, len(scores), page_slice), highlighted_words, most == len(query.content_words)


def join_arrays(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrays one after the other; an empty array if there are none."""
    return np.concatenate(parts) if parts else np.zeros(0)
