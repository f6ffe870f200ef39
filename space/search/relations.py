"""Finds relations by the words of their names and of their pairs: "capital of France" finds country → capital."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from maps.atlas.reader import Atlas
from maps.text import relation_label
from maps.types import COPYING_RELATIONS, HeadId
from space.atlases.cache import relation_names
from space.search.descriptions import build_postings
from space.search.query import Query, split_words
from space.search.results import BestHead, PageSlice, PairHit, RelationHit, ResultSection
from space.search.spelling import near_words, stem

MAX_PAIRS_SHOWN = 3  # pairs shown of a relation
NOT_LISTED = -1  # the number of a relation that only the table of pairs names
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class RelationIndex:
    """The relations of an atlas and the words of their pairs.

    Relation number i is `names[i]`; its best head is `best_heads[i]`, None if no head has a hit. Word number i of
    `words` occurs in the pairs `word_pairs[a:b]`, where a is `word_starts[i]` and b is `word_starts[i + 1]`.
    """

    names: tuple[str, ...]
    best_heads: tuple[BestHead | None, ...]
    relations: Ints  # of each pair, the number of its relation
    sources: pa.Array
    targets: pa.Array
    words: list[str]  # sorted
    word_starts: Ints
    word_pairs: Ints

    @classmethod
    def build(cls, atlas: Atlas) -> RelationIndex:
        names = relation_names(atlas)
        table = atlas.table("pairs", ["relation", "source", "target"]).combine_chunks()
        sources, targets = table["source"].combine_chunks(), table["target"].combine_chunks()
        texts = (f"{source} {target}" for source, target in zip(sources.to_pylist(), targets.to_pylist(), strict=True))
        words, starts, pairs, _ = build_postings(texts)
        return cls(
            names,
            find_best_heads(atlas, names),
            relation_numbers(table["relation"], names),
            sources,
            targets,
            words,
            starts,
            pairs,
        )

    def pairs_with(self, word: str) -> Ints:
        """The pairs that contain a word; if none does, those with the words that are the fewest typing errors away."""
        first = bisect_left(self.words, word)
        if first < len(self.words) and self.words[first] == word:
            return self._pairs_of_word(first)
        near = near_words(word, self.words)
        return np.unique(
            np.concatenate(
                [np.zeros(0, np.int32), *(self._pairs_of_word(i) for i, errors in near if errors == near[0][1])]
            )
        )

    def _pairs_of_word(self, number: int) -> Ints:
        return self.word_pairs[self.word_starts[number] : self.word_starts[number + 1]]


def relation_numbers(column: pa.ChunkedArray, names: Sequence[str]) -> Ints:
    """For each value of a column of relation names, its index in `names`."""
    encoded = column.combine_chunks().dictionary_encode()
    number_of = {name: number for number, name in enumerate(names)}
    numbers = np.array([number_of.get(name, NOT_LISTED) for name in encoded.dictionary.to_pylist()], np.int32)
    return numbers[encoded.indices.to_numpy()] if len(column) else np.zeros(0, np.int32)


def find_best_heads(atlas: Atlas, names: Sequence[str]) -> tuple[BestHead | None, ...]:
    """For each relation the head with the highest score on all its pairs, of equals the first; None without a hit."""
    rows = atlas.table("relations", ["layer", "head", "relation", "pairs", "score"])
    relations, scores = relation_numbers(rows["relation"], names), rows["score"].to_numpy()
    scores = np.nan_to_num(scores.astype(np.float64))  # a score that is undefined is null
    order = np.lexsort((-scores, relations))  # stable, and the rows are in the order of the heads
    numbers, first = np.unique(relations[order], return_index=True)
    best: list[BestHead | None] = [None] * len(names)
    for number, row in zip(numbers.tolist(), order[first].tolist(), strict=True):
        layer, head, pairs = (int(rows[name][row].as_py()) for name in ("layer", "head", "pairs"))
        if scores[row] > 0:
            best[number] = BestHead(atlas.model, HeadId(layer, head), round(scores[row] * pairs), pairs)
    return tuple(best)


@dataclass
class RelationMatch:
    """What a search has in common with one relation, over all indexes that have it.

    `named_words` and `pair_words` are the numbers of the search's words that its name and its pairs contain.
    `word_counts` has, for each index, the pairs with a word and how many words each has.
    """

    models: list[str] = field(default_factory=list)
    best_heads: list[BestHead] = field(default_factory=list)
    named_words: set[int] = field(default_factory=set)
    pair_words: set[int] = field(default_factory=set)
    word_counts: list[tuple[RelationIndex, Ints, Ints]] = field(default_factory=list)

    @property
    def word_count(self) -> int:
        return len(self.named_words | self.pair_words)

    def hit(self, name: str) -> RelationHit:
        """The relation with its pairs, each once, those with the most words first."""
        counts: dict[PairHit, int] = {}
        for index, pairs, word_counts in self.word_counts:
            for row, count in zip(pairs.tolist(), word_counts.tolist(), strict=True):
                pair = PairHit(index.sources[row].as_py(), index.targets[row].as_py())
                counts[pair] = max(count, counts.get(pair, 0))
        ordered = sorted(counts, key=lambda pair: -counts[pair])  # stable: of equals the first in the table
        shown = tuple(ordered[:MAX_PAIRS_SHOWN])
        return RelationHit(name, tuple(self.models), tuple(self.best_heads), shown, len(counts))


def find_relations(
    models: Sequence[tuple[str, RelationIndex]], query: Query, page_slice: PageSlice
) -> tuple[ResultSection[RelationHit], bool]:
    """Relations with the most words of the search in their names and pairs, at least half of them; best first.

    Stop words do not count. Also returns whether the relations have every other word.
    """
    words = query.content_words
    matches: dict[str, RelationMatch] = {}
    for model, index in models:
        match_pairs(matches, model, index, words)
    for name, match in matches.items():
        label_words = split_words(relation_label(name))
        match.named_words = {number for number, word in enumerate(words) if is_similar_to_any(word, label_words)}
    most = max((match.word_count for match in matches.values()), default=0)
    enough = most and 2 * most >= len(words)
    names = [name for name, match in matches.items() if enough and match.word_count == most]
    names.sort(key=lambda name: sort_key(name, matches[name]))
    hits = [matches[name].hit(name) for name in names[page_slice.as_slice]]
    return ResultSection.build(hits, len(names), page_slice), most == len(words)


def match_pairs(matches: dict[str, RelationMatch], model: str, index: RelationIndex, words: Sequence[str]) -> None:
    """Adds the relations of one index, and its pairs that contain some words, to the matches by name."""
    of_relations = [matches.setdefault(name, RelationMatch()) for name in index.names]
    for match, best in zip(of_relations, index.best_heads, strict=True):
        match.models.append(model)
        match.best_heads += [best] if best else []
    by_word = [index.pairs_with(word) for word in words]
    pairs, word_counts = np.unique(np.concatenate([np.zeros(0, np.int32), *by_word]), return_counts=True)
    for number, found in enumerate(by_word):
        for relation in np.unique(index.relations[found]).tolist():
            if relation != NOT_LISTED:
                of_relations[relation].pair_words.add(number)
    for relation in np.unique(index.relations[pairs]).tolist():
        is_of_relation = index.relations[pairs] == relation
        if relation != NOT_LISTED:
            of_relations[relation].word_counts.append((index, pairs[is_of_relation], word_counts[is_of_relation]))


def sort_key(name: str, match: RelationMatch) -> tuple[int, bool, float, str]:
    """Sorts relations: the most words in the name first, copying last, then the one that a head does best."""
    best = max((each.hits / each.pairs for each in match.best_heads), default=0.0)
    return -len(match.named_words), name in COPYING_RELATIONS, -best, name


def is_similar_to_any(word: str, words: Sequence[str]) -> bool:
    """Whether a word is one of some words, begins one, has the stem of one, or is a typing error or two away."""
    if any(other.startswith(word) or stem(other) == stem(word) for other in words):
        return True
    return bool(near_words(word, words))
