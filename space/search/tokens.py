"""The sources and targets of an atlas's mappings as arrays: which heads have a token, and which tokens are alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.search.query import Query, fold_token
from space.search.spelling import allowed_errors, near_words

COLUMNS = ("layer", "head", "rank", "source_id", "source", "target_ids", "targets")
BATCH_ROWS = 4_096  # mappings read at a time: what is read at once stays in the process's memory
STRING_SCHEMA = pa.schema(
    [("id", pa.int32()), ("string", pa.string()), ("folded", pa.string()), ("length", pa.int32())]
)
NO_STRINGS = STRING_SCHEMA.empty_table()
Ints = NDArray[np.int32]


class TokenOccurrences(NamedTuple):
    """Where tokens stand: the mappings, the place among a mapping's targets (0 for the source), and which token."""

    mappings: Ints
    positions: Ints
    tokens: Ints


@dataclass(frozen=True)
class TokenIndex:
    """The mappings by row, and the strings in them, ordered by the length of their folded form, which and the string.

    Targets of mapping i lie from starts[i] to starts[i + 1]. A token is a place among the strings, not its id.
    """

    layers: NDArray[np.int16]
    heads: NDArray[np.int16]
    ranks: NDArray[np.int16]
    sources: Ints  # ids
    target_starts: Ints
    targets: Ints  # ids
    ids: Ints  # of each string
    tokens_by_id: Ints  # the tokens, ordered by id
    strings: pa.Array
    folded_strings: pa.Array
    length_starts: Ints  # where the strings with a folded form of each length begin

    @classmethod
    def build(cls, atlas: Atlas) -> TokenIndex:
        """Reads the salient mappings, some at a time."""
        path = atlas.folder / "mappings.parquet"
        read, known = MappingColumns([], [], [], [], [], []), StringColumns(set(), [NO_STRINGS])
        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=list(COLUMNS), use_threads=False):
                    read.add(batch)
                    known.add(batch["source_id"], batch["source"])
                    known.add(batch["target_ids"].flatten(), batch["targets"].flatten())
        except pa.ArrowInvalid as error:
            raise MapsError(f"{path} is damaged ({error}); map the model again.") from error
        layers, heads, ranks, sources, counts, targets = read.concatenate()
        found = known.sorted_table()
        sizes, ids = found["length"].to_numpy(), found["id"].to_numpy()
        return cls(
            layers.astype(np.int16),
            heads.astype(np.int16),
            ranks.astype(np.int16),
            sources,
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            targets,
            ids,
            np.argsort(ids).astype(np.int32),
            found["string"].combine_chunks(),
            found["folded"].combine_chunks(),
            np.searchsorted(sizes, np.arange(int(sizes.max(initial=0)) + 2)).astype(np.int32),
        )

    def head(self, mapping: int) -> HeadId:
        """The head of a mapping."""
        return HeadId(int(self.layers[mapping]), int(self.heads[mapping]))

    def string(self, token: int) -> str:
        """A token as it is stored."""
        return str(self.strings[token].as_py())

    def token(self, id_: int) -> int:
        """The token of an id."""
        return int(self.tokens_by_id[np.searchsorted(self.ids, id_, sorter=self.tokens_by_id)])

    def exact_tokens(self, query: Query) -> dict[int, int]:
        """The tokens that are the text: 0 for those as it stands, 1 for those of other case or space around it.

        Where the query was cut, all tokens that begin so.
        """
        if not query.is_whole:
            begin = pc.starts_with(self.strings, query.text)
            return dict.fromkeys(np.flatnonzero(begin.to_numpy(zero_copy_only=False)).tolist(), 0)
        found: dict[int, int] = {}
        for word in {fold_token(spelling) for spelling in query.spellings} - {""}:
            first, alike = self._strings_of_length(len(word), len(word))
            same = pc.equal(alike, word).to_numpy(zero_copy_only=False)
            found |= dict.fromkeys((first + np.flatnonzero(same)).tolist(), 1)
        return {token: int(self.string(token) not in query.spellings) for token in found}

    def near_tokens(self, query: Query) -> dict[int, int]:
        """The tokens near the text without case, as the number of typing errors that they are away."""
        word = fold_token(query.text)
        first, alike = self._strings_of_length(len(word) - allowed_errors(word), len(word) + allowed_errors(word))
        return (
            {first + place: distance for place, distance in near_words(word, alike.to_pylist())}
            if query.is_whole
            else {}
        )

    def _strings_of_length(self, least: int, most: int) -> tuple[int, pa.Array]:
        """The folded forms of that many characters, and the token of the first."""
        first, last = (int(self.length_starts[min(max(n, 0), len(self.length_starts) - 1)]) for n in (least, most + 1))
        return first, self.folded_strings.slice(first, last - first)

    def source_occurrences(self, tokens: Sequence[int]) -> TokenOccurrences:
        """The mappings whose source is one of the tokens."""
        found = [(np.flatnonzero(self.sources == self.ids[token]), token) for token in tokens]
        rows, which = join_occurrences(found)
        return TokenOccurrences(rows, np.zeros_like(rows), which)

    def target_occurrences(self, tokens: Sequence[int]) -> TokenOccurrences:
        """The mappings that have one of the tokens among their targets, with its place from 1."""
        at, which = join_occurrences((np.flatnonzero(self.targets == self.ids[token]), token) for token in tokens)
        rows = (np.searchsorted(self.target_starts, at, side="right") - 1).astype(np.int32)
        return TokenOccurrences(rows, at - self.target_starts[rows] + 1, which)

    def head_count(self, mappings: Ints) -> int:
        """How many heads some mappings belong to."""
        return len(np.unique(self.head_numbers(mappings)))

    def head_numbers(self, mappings: Ints) -> Ints:
        """A number for the head of each of some mappings, in the order of layers and heads."""
        return self.layers[mappings].astype(np.int32) * 65_536 + self.heads[mappings]


def join_occurrences(occurrences: Iterable[tuple[NDArray[np.int64], int]]) -> tuple[Ints, Ints]:
    """Places found for each token as one array, and beside it the token of each."""
    parts = [(at.astype(np.int32), np.full(len(at), token, np.int32)) for at, token in occurrences]
    if not parts:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    places, tokens = zip(*parts, strict=True)
    return np.concatenate(places), np.concatenate(tokens)


class MappingColumns(NamedTuple):
    """The numbers of mappings, read in parts."""

    layers: list[Ints]
    heads: list[Ints]
    ranks: list[Ints]
    sources: list[Ints]
    counts: list[Ints]  # of targets
    targets: list[Ints]

    def add(self, batch: pa.RecordBatch) -> None:
        """More mappings."""
        lists = batch["target_ids"]
        one = [batch[name] for name in ("layer", "head", "rank", "source_id")]
        for part, column in zip(self, (*one, pc.list_value_length(lists), lists.flatten()), strict=True):
            part.append(column.to_numpy(zero_copy_only=False).astype(np.int32))

    def concatenate(self) -> tuple[Ints, ...]:
        """All parts of each."""
        return tuple(np.concatenate([np.zeros(0, np.int32), *part]) for part in self)


class StringColumns(NamedTuple):
    """The different strings of mappings, read in parts."""

    seen_ids: set[int]
    parts: list[pa.Table]

    def add(self, ids: pa.Array, words: pa.Array) -> None:
        """More strings, of which those seen before are left out."""
        different, first = np.unique(ids.to_numpy(zero_copy_only=False), return_index=True)
        new = [
            (id_, place)
            for id_, place in zip(different.tolist(), first.tolist(), strict=True)
            if id_ not in self.seen_ids
        ]
        self.seen_ids.update(id_ for id_, _ in new)
        strings = words.take(pa.array([place for _, place in new], pa.int32()))
        forms = [fold_token(string) for string in strings.to_pylist()]
        columns = [[id_ for id_, _ in new], strings, forms, list(map(len, forms))]
        self.parts.append(pa.table(columns, schema=STRING_SCHEMA))

    def sorted_table(self) -> pa.Table:
        """All of them, by the length of the folded form, the form, and the string."""
        return pa.concat_tables(self.parts).sort_by([(name, "ascending") for name in ("length", "folded", "string")])
