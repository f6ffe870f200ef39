"""A search over one atlas's index or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maps.errors import MapsError
from maps.text import relation_words
from space.search.descriptions import FIELDS, Matches
from space.search.heads import Place, heads_with
from space.search.index import Index
from space.search.query import Query, words_of
from space.search.results import AT_A_GLANCE, KINDS, PER_PAGE, Cut, Found, Named, Said, Section
from space.search.similar_tokens import alike, counted, meant
from space.search.spelling import near, stem

HIGHEST_PAGE = 10**6


def search(indexes: Sequence[Index], given: str, kind: str = "", page: int = 1) -> Found:
    """Searches for any string; `kind` is one of KINDS, or empty for the first entries of each.

    Raises MapsError for another kind and for a page that there is not.
    """
    if kind and kind not in KINDS:
        raise MapsError(f"There is no search for that kind; the kinds are {', '.join(KINDS)}.")
    if not 1 <= page <= HIGHEST_PAGE:
        raise MapsError("The page of a search is a whole number from 1 on.")
    query = Query.of(given)

    def cut(section: str) -> Cut:
        return Cut(page, PER_PAGE) if kind == section else Cut(1, AT_A_GLANCE)

    around = [index.tokens.near(query) for index in indexes]
    own, typed = meant(indexes, query, around)
    described, words, every_word = descriptions(indexes, query, cut("descriptions"))
    return Found(
        query=query,
        kind=kind,
        relations=relations(indexes, query, cut("relations")),
        descriptions=described,
        words=words,
        every_word=every_word,
        tokens=counted(indexes, own),
        typed=typed,
        sources=heads_with(indexes, own, Place.SOURCE, cut("sources")),
        targets=heads_with(indexes, own, Place.TARGET, cut("targets")),
        alike=alike(indexes, around, own, cut("tokens")),
    )


def descriptions(indexes: Sequence[Index], query: Query, cut: Cut) -> tuple[Section[Said], frozenset[str], bool]:
    """Descriptions with all words of the search, or with most where none has all, best first."""
    matches = [index.sentences.matches(query.words) for index in indexes]
    most = max((int(found.counts.max(initial=0)) for found in matches), default=0)
    rows = [np.flatnonzero(found.counts == most) if most else np.zeros(0, np.int64) for found in matches]
    which = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
    scores = joined([found.scores[each] for found, each in zip(matches, rows, strict=True)])
    order = np.argsort(-scores, kind="stable")[cut.part]
    chosen = zip(which[order].tolist(), joined(rows)[order].tolist(), strict=True)
    items = [said(indexes[each], matches[each], row) for each, row in chosen]
    marked = frozenset[str]().union(*(found.words for found in matches))
    return Section.of(items, len(scores), cut), marked, most == len(query.words)


def joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrays one after the other; none is an empty one."""
    return np.concatenate(parts) if parts else np.zeros(0)


def said(index: Index, found: Matches, row: int) -> Said:
    """A description that was found."""
    sentence, fields = index.sentences.at(row), int(found.fields[row])
    where = tuple(field.replace("_", " ") for bit, field in enumerate(FIELDS) if fields >> bit & 1)
    return Said(
        index.model, sentence.head, sentence.describer, sentence.observed_pattern, sentence.input_strings, where
    )


def relations(indexes: Sequence[Index], query: Query, cut: Cut) -> Section[Named]:
    """The relations whose names have all words of the search, or such as are near to them, shortest name first."""
    scored: dict[str, list[str]] = {}
    for index in indexes:
        for name in index.relations:
            scored.setdefault(name, []).append(index.model)
    fitting = [name for name in scored if query.words and all(map(among(words_of(relation_words(name))), query.words))]
    fitting.sort(key=lambda name: (len(words_of(relation_words(name))), name))
    return Section.of([Named(name, tuple(scored[name])) for name in fitting[cut.part]], len(fitting), cut)


def among(words: list[str]) -> Callable[[str], bool]:
    """Whether a word is one of some words, the beginning of one, of the same stem, or near to one."""

    def found(word: str) -> bool:
        same = any(each.startswith(word) or stem(each) == stem(word) for each in words)
        return same or bool(near(word, words))

    return found
