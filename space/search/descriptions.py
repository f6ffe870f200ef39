"""The current descriptions of an atlas, found by their words: BM25 over an inverted index in numpy arrays."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.search.query import split_words
from space.search.spelling import near_words, stem

FIELD_WEIGHTS = {"observed_pattern": 1.0, "input_strings": 0.5}  # and what a word counts in each
BM25_K1, BM25_B = 1.2, 0.75  # BM25's k1 and b
EXACT_WEIGHT, SAME_STEM_WEIGHT, PREFIX_WEIGHT, NEAR_WEIGHT = 1.0, 0.9, 0.7, 0.5  # what a word counts that was widened
SHORTEST_PREFIX = 4  # letters of a word that stands for all words beginning so


@dataclass(frozen=True)
class IndexedDescription:
    """One description."""

    head: HeadId
    describer: str
    observed_pattern: str
    input_strings: str


@dataclass(frozen=True)
class DescriptionMatches:
    """For each description: how many of the words it has, its score, in which fields (bit 0: pattern, 1: inputs).

    `matched_words` are those of the index that stood for one of the words.
    """

    word_counts: NDArray[np.int8]
    scores: NDArray[np.float32]
    field_bits: NDArray[np.int8]
    matched_words: frozenset[str]


@dataclass(frozen=True)
class DescriptionIndex:
    """The index. `posting_rows` and `posting_weights` are the postings: those of word i lie from starts[i] to starts[i + 1]."""

    heads: NDArray[np.int32]  # (descriptions, 2): layer, head
    describers: pa.DictionaryArray
    texts: dict[str, pa.Array]
    words: list[str]  # in order
    stems: dict[str, tuple[int, ...]]  # those of several words
    posting_starts: NDArray[np.int32]
    posting_rows: NDArray[np.int32]  # 2 · description + field
    posting_weights: NDArray[np.float32]

    @classmethod
    def build(cls, atlas: Atlas) -> DescriptionIndex:
        """Reads an atlas's current descriptions."""
        said = atlas.description_table(list(FIELD_WEIGHTS)).combine_chunks()
        fields = {field: said[field].combine_chunks().fill_null("") for field in FIELD_WEIGHTS}
        texts = (text.as_py() for both in zip(*fields.values(), strict=True) for text in both)
        words, starts, rows, weights = build_postings(texts)
        stems = defaultdict(list)
        for place, word in enumerate(words):
            stems[stem(word)].append(place)
        return cls(
            np.column_stack([said[name].to_numpy() for name in ("layer", "head")]),
            said["describer"].combine_chunks().dictionary_encode(),
            fields,
            words,
            {root: tuple(places) for root, places in stems.items()},
            starts,
            rows,
            weights,
        )

    def __len__(self) -> int:
        return len(self.heads)

    def description(self, row: int) -> IndexedDescription:
        """A description."""
        layer, head = self.heads[row].tolist()
        pattern, inputs = (self.texts[field][row].as_py() for field in FIELD_WEIGHTS)
        return IndexedDescription(HeadId(layer, head), self.describers[row].as_py(), pattern, inputs)

    def match_words(self, words: Sequence[str]) -> DescriptionMatches:
        """Every description's share in the words, each word widened to those near it."""
        counts, scores = np.zeros(len(self), np.int8), np.zeros(len(self), np.float32)
        fields, used = np.zeros(len(self), np.int8), set()
        for word in words:
            has = np.zeros(len(self), np.bool_)
            for place, factor in self.expand_word(word).items():
                used.add(self.words[place])
                rows, field, gained = self._postings(place)
                has[rows] = True
                np.add.at(scores, rows, factor * gained)
                np.bitwise_or.at(fields, rows, (1 << field).astype(np.int8))
            counts += has
        return DescriptionMatches(counts, scores, fields, frozenset(used))

    def expand_word(self, word: str) -> dict[int, float]:
        """The places of the words that may stand for a word, and what each counts; near ones where no other does."""
        first = bisect_left(self.words, word)
        long = len(word) >= SHORTEST_PREFIX
        last = bisect_left(self.words, word + "\U0010ffff" if long else word + "\0")
        found = {place: EXACT_WEIGHT if self.words[place] == word else PREFIX_WEIGHT for place in range(first, last)}
        for place in self.stems.get(stem(word), ()):
            found[place] = max(found.get(place, 0.0), SAME_STEM_WEIGHT)
        return found or {place: NEAR_WEIGHT / distance for place, distance in near_words(word, self.words)}

    def _postings(self, place: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """The descriptions that have a word, in which field, and the score that each has from it."""
        part = slice(int(self.posting_starts[place]), int(self.posting_starts[place + 1]))
        rows, field = self.posting_rows[part] // len(FIELD_WEIGHTS), self.posting_rows[part] % len(FIELD_WEIGHTS)
        texts, having = len(self) * len(FIELD_WEIGHTS), len(rows)
        rarity = log(1 + (texts - having + 0.5) / (having + 0.5))
        worth = np.array(list(FIELD_WEIGHTS.values()), np.float32)[field]
        return rows, field, self.posting_weights[part] * worth * np.float32(rarity)


def build_postings(texts: Iterable[str]) -> tuple[list[str], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """The words of some texts in order; where each one's postings begin; the postings' texts and BM25 weights."""
    number: dict[str, int] = {}
    which, where, times, lengths = (array("i") for _ in range(4))
    for text, words in enumerate(map(split_words, texts)):
        lengths.append(len(words))
        for word, count in Counter(words).items():
            which.append(number.setdefault(word, len(number)))
            where.append(text)
            times.append(count)
    ordered = sorted(number)
    place = np.zeros(len(number), np.int32)  # of a word in order
    place[[number[word] for word in ordered]] = np.arange(len(ordered))
    by_word = place[np.array(which, np.int32)]
    order = np.argsort(by_word, kind="stable")
    rows, often = np.array(where, np.int32)[order], np.array(times, np.float32)[order]
    sizes = np.array(lengths, np.float32)
    long = sizes[rows] / max(float(sizes.mean()) if len(sizes) else 1.0, 1.0)
    weights = often * (BM25_K1 + 1) / (often + BM25_K1 * (1 - BM25_B + BM25_B * long))
    starts = np.searchsorted(by_word[order], np.arange(len(ordered) + 1)).astype(np.int32)
    return ordered, starts, rows, weights.astype(np.float32)
