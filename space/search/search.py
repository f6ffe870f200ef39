"""A search over one atlas's index or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maps.errors import MapsError
from maps.text import relation_label
from space.search.descriptions import FIELD_WEIGHTS, DescriptionMatches
from space.search.heads import TokenRole, find_heads
from space.search.index import SearchIndex
from space.search.query import Query, split_words
from space.search.results import (
    OVERVIEW_SIZE,
    PAGE_SIZE,
    RESULT_KINDS,
    DescriptionHit,
    PageSlice,
    RelationHit,
    ResultSection,
    SearchResults,
)
from space.search.similar_tokens import find_similar_tokens, make_token_hits, match_tokens
from space.search.spelling import near_words, stem

HIGHEST_PAGE = 10**6


def search(indexes: Sequence[SearchIndex], typed_text: str, kind: str = "", page: int = 1) -> SearchResults:
    """Searches for any string; `kind` is one of KINDS, or empty for the first entries of each.

    Raises MapsError for another kind and for a page that there is not.
    """
    if kind and kind not in RESULT_KINDS:
        raise MapsError(f"There is no search for that kind; the kinds are {', '.join(RESULT_KINDS)}.")
    if not 1 <= page <= HIGHEST_PAGE:
        raise MapsError("The page of a search is a whole number from 1 on.")
    query = Query.parse(typed_text)

    def cut(section: str) -> PageSlice:
        return PageSlice(page, PAGE_SIZE) if kind == section else PageSlice(1, OVERVIEW_SIZE)

    around = [index.tokens.near_tokens(query) for index in indexes]
    own, typed = match_tokens(indexes, query, around)
    described, words, every_word = find_descriptions(indexes, query, cut("descriptions"))
    return SearchResults(
        query=query,
        kind=kind,
        relations=find_relations(indexes, query, cut("relations")),
        descriptions=described,
        highlighted_words=words,
        has_every_word=every_word,
        matching_tokens=make_token_hits(indexes, own),
        has_exact_tokens=typed,
        sources=find_heads(indexes, own, TokenRole.SOURCE, cut("sources")),
        targets=find_heads(indexes, own, TokenRole.TARGET, cut("targets")),
        alike=find_similar_tokens(indexes, around, own, cut("tokens")),
    )


def find_descriptions(
    indexes: Sequence[SearchIndex], query: Query, page_slice: PageSlice
) -> tuple[ResultSection[DescriptionHit], frozenset[str], bool]:
    """Descriptions with all words of the search, or with most where none has all, best first."""
    matches = [index.descriptions.match_words(query.words) for index in indexes]
    most = max((int(found.word_counts.max(initial=0)) for found in matches), default=0)
    rows = [np.flatnonzero(found.word_counts == most) if most else np.zeros(0, np.int64) for found in matches]
    which = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
    scores = join_arrays([found.scores[each] for found, each in zip(matches, rows, strict=True)])
    order = np.argsort(-scores, kind="stable")[page_slice.as_slice]
    chosen = zip(which[order].tolist(), join_arrays(rows)[order].tolist(), strict=True)
    items = [make_description_hit(indexes[each], matches[each], row) for each, row in chosen]
    marked = frozenset[str]().union(*(found.matched_words for found in matches))
    return ResultSection.build(items, len(scores), page_slice), marked, most == len(query.words)


def join_arrays(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrays one after the other; none is an empty one."""
    return np.concatenate(parts) if parts else np.zeros(0)


def make_description_hit(index: SearchIndex, matches: DescriptionMatches, row: int) -> DescriptionHit:
    """A description that was found."""
    sentence, fields = index.descriptions.description(row), int(matches.field_bits[row])
    where = tuple(field.replace("_", " ") for bit, field in enumerate(FIELD_WEIGHTS) if fields >> bit & 1)
    return DescriptionHit(
        index.model, sentence.head, sentence.describer, sentence.observed_pattern, sentence.input_strings, where
    )


def find_relations(indexes: Sequence[SearchIndex], query: Query, page_slice: PageSlice) -> ResultSection[RelationHit]:
    """The relations whose names have all words of the search, or such as are near to them, shortest name first."""
    scored: dict[str, list[str]] = {}
    for index in indexes:
        for name in index.relations:
            scored.setdefault(name, []).append(index.model)
    fitting = [
        name
        for name in scored
        if query.words and all(map(make_word_matcher(split_words(relation_label(name))), query.words))
    ]
    fitting.sort(key=lambda name: (len(split_words(relation_label(name))), name))
    return ResultSection.build(
        [RelationHit(name, tuple(scored[name])) for name in fitting[page_slice.as_slice]], len(fitting), page_slice
    )


def make_word_matcher(words: list[str]) -> Callable[[str], bool]:
    """Whether a word is one of some words, the beginning of one, of the same stem, or near to one."""

    def found(word: str) -> bool:
        same = any(each.startswith(word) or stem(each) == stem(word) for each in words)
        return same or bool(near_words(word, words))

    return found
