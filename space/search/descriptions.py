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
from space.search.query import words_of
from space.search.spelling import near, stem

FIELDS = {"observed_pattern": 1.0, "input_strings": 0.5}  # and what a word counts in each
WORN, SHARE = 1.2, 0.75  # BM25's k1 and b
EXACT, SAME_STEM, BEGINNING, NEAR = 1.0, 0.9, 0.7, 0.5  # what a word counts that was widened
SHORTEST_BEGINNING = 4  # letters of a word that stands for all words beginning so


@dataclass(frozen=True)
class Sentence:
    """One description."""

    head: HeadId
    describer: str
    observed_pattern: str
    input_strings: str


@dataclass(frozen=True)
class Matches:
    """For each description: how many of the words it has, its score, in which fields (bit 0: pattern, 1: inputs).

    `words` are those of the index that stood for one of the words.
    """

    counts: NDArray[np.int8]
    scores: NDArray[np.float32]
    fields: NDArray[np.int8]
    words: frozenset[str]


@dataclass(frozen=True)
class Sentences:
    """The index. `rows` and `weights` are the postings: those of word i lie from starts[i] to starts[i + 1]."""

    heads: NDArray[np.int32]  # (descriptions, 2): layer, head
    describers: pa.DictionaryArray
    fields: dict[str, pa.Array]
    words: list[str]  # in order
    stems: dict[str, tuple[int, ...]]  # those of several words
    starts: NDArray[np.int32]
    rows: NDArray[np.int32]  # 2 · description + field
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, atlas: Atlas) -> Sentences:
        """Reads an atlas's current descriptions."""
        said = atlas.current_descriptions(list(FIELDS)).combine_chunks()
        fields = {field: said[field].combine_chunks().fill_null("") for field in FIELDS}
        texts = (text.as_py() for both in zip(*fields.values(), strict=True) for text in both)
        words, starts, rows, weights = postings(texts)
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

    def at(self, row: int) -> Sentence:
        """A description."""
        layer, head = self.heads[row].tolist()
        pattern, inputs = (self.fields[field][row].as_py() for field in FIELDS)
        return Sentence(HeadId(layer, head), self.describers[row].as_py(), pattern, inputs)

    def matches(self, words: Sequence[str]) -> Matches:
        """Every description's share in the words, each word widened to those near it."""
        counts, scores = np.zeros(len(self), np.int8), np.zeros(len(self), np.float32)
        fields, used = np.zeros(len(self), np.int8), set()
        for word in words:
            has = np.zeros(len(self), np.bool_)
            for place, factor in self.widened(word).items():
                used.add(self.words[place])
                rows, field, gained = self._postings(place)
                has[rows] = True
                np.add.at(scores, rows, factor * gained)
                np.bitwise_or.at(fields, rows, (1 << field).astype(np.int8))
            counts += has
        return Matches(counts, scores, fields, frozenset(used))

    def widened(self, word: str) -> dict[int, float]:
        """The places of the words that may stand for a word, and what each counts; near ones where no other does."""
        first = bisect_left(self.words, word)
        long = len(word) >= SHORTEST_BEGINNING
        last = bisect_left(self.words, word + "\U0010ffff" if long else word + "\0")
        found = {place: EXACT if self.words[place] == word else BEGINNING for place in range(first, last)}
        for place in self.stems.get(stem(word), ()):
            found[place] = max(found.get(place, 0.0), SAME_STEM)
        return found or {place: NEAR / distance for place, distance in near(word, self.words)}

    def _postings(self, place: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """The descriptions that have a word, in which field, and the score that each has from it."""
        part = slice(int(self.starts[place]), int(self.starts[place + 1]))
        rows, field = self.rows[part] // len(FIELDS), self.rows[part] % len(FIELDS)
        texts, having = len(self) * len(FIELDS), len(rows)
        rarity = log(1 + (texts - having + 0.5) / (having + 0.5))
        worth = np.array(list(FIELDS.values()), np.float32)[field]
        return rows, field, self.weights[part] * worth * np.float32(rarity)


def postings(texts: Iterable[str]) -> tuple[list[str], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """The words of some texts in order; where each one's postings begin; the postings' texts and BM25 weights."""
    number: dict[str, int] = {}
    which, where, times, lengths = (array("i") for _ in range(4))
    for text, words in enumerate(map(words_of, texts)):
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
    weights = often * (WORN + 1) / (often + WORN * (1 - SHARE + SHARE * long))
    starts = np.searchsorted(by_word[order], np.arange(len(ordered) + 1)).astype(np.int32)
    return ordered, starts, rows, weights.astype(np.float32)
