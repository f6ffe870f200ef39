"""Finds the current descriptions of heads and of their operations by their words: BM25 over an inverted index."""

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

from maps.atlas.patterns import pattern_table
from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.search.query import split_words
from space.search.results import DescriptionHit
from space.search.spelling import near_words, stem

FIELD_WEIGHTS = {"observed_pattern": 1.0, "input_strings": 0.5}  # weight of a word in each searched field
BM25_K1, BM25_B = 1.2, 0.75
EXACT_WEIGHT, SAME_STEM_WEIGHT, PREFIX_WEIGHT, NEAR_WEIGHT = 1.0, 0.9, 0.7, 0.5  # by how a word matches a search word
SHORTEST_PREFIX = 4  # letters from which a search word also matches the words that begin with it


@dataclass(frozen=True)
class DescriptionMatches:
    """For each description: how many search words it has, its score, and in which fields (bit 0: pattern, 1: inputs).

    `matched_words` are the words of the index that matched a search word.
    """

    word_counts: NDArray[np.int8]
    scores: NDArray[np.float32]
    field_bits: NDArray[np.int8]
    matched_words: frozenset[str]


@dataclass(frozen=True)
class DescriptionIndex:
    """An inverted index. The postings of word i are `posting_rows[a:b]` and `posting_weights[a:b]`.

    There a is `posting_starts[i]` and b is `posting_starts[i + 1]`. Each posting is one field of one description that
    contains the word, with the word's BM25 weight in it, without its rarity.
    """

    heads: NDArray[np.int32]  # (descriptions, 3): layer, head, and the number of the operation (0: the whole head)
    describers: pa.DictionaryArray
    texts: dict[str, pa.Array]
    words: list[str]  # sorted
    stems: dict[str, tuple[int, ...]]  # indices of the words with each stem
    posting_starts: NDArray[np.int32]
    posting_rows: NDArray[np.int32]  # 2 · row of the description + number of the field
    posting_weights: NDArray[np.float32]

    @classmethod
    def build(cls, atlas: Atlas) -> DescriptionIndex:
        columns = list(FIELD_WEIGHTS)
        whole = atlas.description_table(columns)
        whole = whole.append_column("operation", pa.array(np.zeros(len(whole), np.int32)))
        operations = pattern_table(atlas, columns)
        table = pa.concat_tables([whole.select(operations.column_names), operations]).combine_chunks()
        fields = {field: table[field].combine_chunks().fill_null("") for field in FIELD_WEIGHTS}
        texts = (fields[field][row].as_py() for row in range(table.num_rows) for field in FIELD_WEIGHTS)
        words, starts, rows, weights = build_postings(texts)
        stems = defaultdict(list)
        for index, word in enumerate(words):
            stems[stem(word)].append(index)
        return cls(
            np.column_stack([table[name].to_numpy() for name in ("layer", "head", "operation")]),
            table["describer"].combine_chunks().dictionary_encode(),
            fields,
            words,
            {root: tuple(indices) for root, indices in stems.items()},
            starts,
            rows,
            weights,
        )

    def __len__(self) -> int:
        return len(self.heads)

    def hit(self, model: str, matches: DescriptionMatches, row: int) -> DescriptionHit:
        """The description in a row; bit i of its field bits stands for field i of FIELD_WEIGHTS."""
        pattern, inputs = (self.texts[field][row].as_py() for field in FIELD_WEIGHTS)
        bits = int(matches.field_bits[row])
        where = tuple(field.replace("_", " ") for bit, field in enumerate(FIELD_WEIGHTS) if bits >> bit & 1)
        layer, head, operation = self.heads[row].tolist()
        return DescriptionHit(
            model, HeadId(layer, head), operation, self.describers[row].as_py(), pattern, inputs, where
        )

    def match_words(self, words: Sequence[str]) -> DescriptionMatches:
        """Scores every description; each search word also matches similar words, which count less."""
        word_counts, scores = np.zeros(len(self), np.int8), np.zeros(len(self), np.float32)
        field_bits, matched_words = np.zeros(len(self), np.int8), set()
        for word in words:
            has_word = np.zeros(len(self), np.bool_)
            for index, weight in self.expand_word(word).items():
                matched_words.add(self.words[index])
                rows, fields, gains = self._postings(index)
                has_word[rows] = True
                np.add.at(scores, rows, weight * gains)
                np.bitwise_or.at(field_bits, rows, (1 << fields).astype(np.int8))
            word_counts += has_word
        return DescriptionMatches(word_counts, scores, field_bits, frozenset(matched_words))

    def expand_word(self, word: str) -> dict[int, float]:
        """Indices and weights of the words that match a search word; words with typing errors only if no other does."""
        first = bisect_left(self.words, word)
        # Up to the last word with this prefix, or to the word itself.
        last = bisect_left(self.words, word + ("\U0010ffff" if len(word) >= SHORTEST_PREFIX else "\0"))
        weights = {index: EXACT_WEIGHT if self.words[index] == word else PREFIX_WEIGHT for index in range(first, last)}
        for index in self.stems.get(stem(word), ()):
            weights[index] = max(weights.get(index, 0.0), SAME_STEM_WEIGHT)
        return weights or {index: NEAR_WEIGHT / distance for index, distance in near_words(word, self.words)}

    def _postings(self, word_index: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """The descriptions (rows) and fields that contain a word, and what the word adds to their scores."""
        part = slice(int(self.posting_starts[word_index]), int(self.posting_starts[word_index + 1]))
        rows, fields = self.posting_rows[part] // len(FIELD_WEIGHTS), self.posting_rows[part] % len(FIELD_WEIGHTS)
        # BM25's inverse document frequency: ln(1 + (N - n + 0.5) / (n + 0.5)) for n of N texts with the word.
        text_count, count = len(self) * len(FIELD_WEIGHTS), len(rows)
        rarity = log(1 + (text_count - count + 0.5) / (count + 0.5))
        field_weights = np.array(list(FIELD_WEIGHTS.values()), np.float32)[fields]
        return rows, fields, self.posting_weights[part] * field_weights * np.float32(rarity)


def build_postings(texts: Iterable[str]) -> tuple[list[str], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """The sorted words of some texts; where each word's postings start; the postings' texts and their BM25 weights.

    The weight of a word that occurs f times in a text of length l is f (k1 + 1) / (f + k1 (1 - b + b l / mean l)).
    """
    numbers: dict[str, int] = {}  # of the words in the order in which they first occur
    word_numbers, text_numbers, frequencies, lengths = array("i"), array("i"), array("i"), array("i")
    for text_number, words in enumerate(map(split_words, texts)):
        lengths.append(len(words))
        for word, count in Counter(words).items():
            word_numbers.append(numbers.setdefault(word, len(numbers)))
            text_numbers.append(text_number)
            frequencies.append(count)
    sorted_words = sorted(numbers)
    sorted_index = np.zeros(len(numbers), np.int32)  # of a word's number, its index among the sorted words
    sorted_index[[numbers[word] for word in sorted_words]] = np.arange(len(sorted_words))
    word_indices = sorted_index[np.array(word_numbers, np.int32)]
    order = np.argsort(word_indices, kind="stable")
    rows, frequency = np.array(text_numbers, np.int32)[order], np.array(frequencies, np.float32)[order]
    sizes = np.array(lengths, np.float32)
    relative_length = sizes[rows] / max(float(sizes.mean()) if len(sizes) else 1.0, 1.0)
    weights = frequency * (BM25_K1 + 1) / (frequency + BM25_K1 * (1 - BM25_B + BM25_B * relative_length))
    starts = np.searchsorted(word_indices[order], np.arange(len(sorted_words) + 1)).astype(np.int32)
    return sorted_words, starts, rows, weights.astype(np.float32)
