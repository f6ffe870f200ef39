"""The sources and targets of an atlas's mappings as arrays, to find the heads that have a token, and similar tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from maps.atlas.reader import Atlas
from maps.types import HeadId
from space.search.query import Query, fold_token
from space.search.spelling import allowed_errors, near_words

COLUMNS = ("layer", "head", "rank", "source_id", "source", "target_ids", "targets")
BATCH_ROWS = 4_096  # mappings read at a time; the process keeps the memory of the largest batch
STRING_SCHEMA = pa.schema(
    [("id", pa.int32()), ("string", pa.string()), ("folded", pa.string()), ("length", pa.int32())]
)
NO_STRINGS = STRING_SCHEMA.empty_table()
Ints = NDArray[np.int32]


class TokenOccurrences(NamedTuple):
    """Where tokens occur, one entry per occurrence: the mapping, its target number (0 for its source), the token."""

    mappings: Ints
    positions: Ints
    tokens: Ints


@dataclass(frozen=True)
class TokenIndex:
    """The mappings in the order of their rows, and the strings in them, sorted by (folded length, folded, string).

    The targets of mapping i are `targets[target_starts[i] : target_starts[i + 1]]`. A "token" here is the index of a
    string in `strings`, not the tokenizer's id.
    """

    layers: NDArray[np.int16]
    heads: NDArray[np.int16]
    ranks: NDArray[np.int16]
    sources: Ints  # ids
    target_starts: Ints
    targets: Ints  # ids
    ids: Ints  # of each string
    tokens_by_id: Ints  # the tokens sorted by id
    strings: pa.Array
    folded_strings: pa.Array
    length_starts: Ints  # for each length, the first token whose folded string has it

    @classmethod
    def build(cls, atlas: Atlas) -> TokenIndex:
        """Reads the salient mappings in batches; raises MapsError if the file is damaged."""
        parts, strings = [[np.zeros(0, np.int32) for _ in range(6)]], StringColumns(set(), [NO_STRINGS])
        for batch in atlas.batches("mappings", BATCH_ROWS, COLUMNS, use_threads=False):
            parts.append(mapping_columns(batch))
            strings.add(batch["source_id"], batch["source"])
            strings.add(batch["target_ids"].flatten(), batch["targets"].flatten())
        layers, heads, ranks, sources, target_counts, targets = map(np.concatenate, zip(*parts, strict=True))
        table = strings.sorted_table()
        lengths, ids = table["length"].to_numpy(), table["id"].to_numpy()
        return cls(
            layers.astype(np.int16),
            heads.astype(np.int16),
            ranks.astype(np.int16),
            sources,
            np.concatenate([[0], np.cumsum(target_counts)]).astype(np.int32),
            targets,
            ids,
            np.argsort(ids).astype(np.int32),
            table["string"].combine_chunks(),
            table["folded"].combine_chunks(),
            np.searchsorted(lengths, np.arange(int(lengths.max(initial=0)) + 2)).astype(np.int32),
        )

    def head(self, mapping: int) -> HeadId:
        return HeadId(int(self.layers[mapping]), int(self.heads[mapping]))

    def string(self, token: int) -> str:
        return str(self.strings[token].as_py())

    def token(self, id_: int) -> int:
        """The token with an id of the tokenizer."""
        return int(self.tokens_by_id[np.searchsorted(self.ids, id_, sorter=self.tokens_by_id)])

    def exact_tokens(self, query: Query) -> dict[int, int]:
        """The tokens that equal the text: 0 for those exactly as typed, 1 for another case or other surrounding space.

        For a text that may have been cut, all tokens that start with it.
        """
        if not query.is_whole:
            starts = pc.starts_with(self.strings, query.text)
            return dict.fromkeys(np.flatnonzero(starts.to_numpy(zero_copy_only=False)).tolist(), 0)
        tokens: list[int] = []
        for folded in {fold_token(spelling) for spelling in query.spellings} - {""}:
            first, candidates = self._strings_of_length(len(folded), len(folded))
            is_equal = pc.equal(candidates, folded).to_numpy(zero_copy_only=False)
            tokens += (first + np.flatnonzero(is_equal)).tolist()
        return {token: int(self.string(token) not in query.spellings) for token in tokens}

    def near_tokens(self, query: Query) -> dict[int, int]:
        """The tokens that differ from the text by typing errors, whatever their case, with the number of errors."""
        if not query.is_whole:
            return {}
        folded = fold_token(query.text)
        errors = allowed_errors(folded)
        first, candidates = self._strings_of_length(len(folded) - errors, len(folded) + errors)
        return {first + index: distance for index, distance in near_words(folded, candidates.to_pylist())}

    def _strings_of_length(self, least: int, most: int) -> tuple[int, pa.Array]:
        """The folded strings of `least` to `most` characters, and the token of the first of them."""
        longest = len(self.length_starts) - 1
        first = int(self.length_starts[min(max(least, 0), longest)])
        end = int(self.length_starts[min(max(most + 1, 0), longest)])
        return first, self.folded_strings.slice(first, end - first)

    def source_occurrences(self, tokens: Sequence[int]) -> TokenOccurrences:
        mappings, found_tokens = self._positions_of(self.sources, tokens)
        return TokenOccurrences(mappings, np.zeros_like(mappings), found_tokens)

    def target_occurrences(self, tokens: Sequence[int]) -> TokenOccurrences:
        """The mappings that have one of the tokens among their targets, with the target's number from 1."""
        positions, found_tokens = self._positions_of(self.targets, tokens)
        mappings = (np.searchsorted(self.target_starts, positions, side="right") - 1).astype(np.int32)
        return TokenOccurrences(mappings, positions - self.target_starts[mappings] + 1, found_tokens)

    def _positions_of(self, ids: Ints, tokens: Sequence[int]) -> tuple[Ints, Ints]:
        """The positions in `ids` of some tokens, and for each position its token."""
        positions, found_tokens = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        for token in tokens:
            positions.append(np.flatnonzero(ids == self.ids[token]).astype(np.int32))
            found_tokens.append(np.full(len(positions[-1]), token, np.int32))
        return np.concatenate(positions), np.concatenate(found_tokens)

    def head_count(self, mappings: Ints) -> int:
        return len(np.unique(self.head_numbers(mappings)))

    def head_numbers(self, mappings: Ints) -> Ints:
        """For each mapping a number that stands for its head and sorts like (layer, head)."""
        return self.layers[mappings].astype(np.int32) * 65_536 + self.heads[mappings]


def mapping_columns(batch: pa.RecordBatch) -> list[Ints]:
    """Layers, heads, ranks and sources of some mappings, their numbers of targets, and all their targets in a row."""
    targets = batch["target_ids"]
    columns = [*map(batch.column, COLUMNS[:4]), pc.list_value_length(targets), targets.flatten()]
    return [column.to_numpy(zero_copy_only=False).astype(np.int32) for column in columns]


class StringColumns(NamedTuple):
    """The distinct strings of the mappings, a part per batch."""

    seen_ids: set[int]
    parts: list[pa.Table]

    def add(self, ids: pa.Array, strings: pa.Array) -> None:
        """Appends the strings whose ids were not seen before."""
        distinct_ids, rows = np.unique(ids.to_numpy(zero_copy_only=False), return_index=True)
        is_new = [token_id not in self.seen_ids for token_id in distinct_ids.tolist()]
        new_ids = distinct_ids[is_new].tolist()
        self.seen_ids.update(new_ids)
        new_strings = strings.take(pa.array(rows[is_new], pa.int32()))
        folded = [fold_token(string) for string in new_strings.to_pylist()]
        columns = [new_ids, new_strings, folded, [len(string) for string in folded]]
        self.parts.append(pa.table(columns, schema=STRING_SCHEMA))

    def sorted_table(self) -> pa.Table:
        """All strings, sorted by (folded length, folded, string)."""
        return pa.concat_tables(self.parts).sort_by([(name, "ascending") for name in ("length", "folded", "string")])
