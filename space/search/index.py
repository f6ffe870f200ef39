"""One search index per atlas, shared by all visitors; it is built again when the atlas's files change."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

import pyarrow as pa

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from space.atlases.cache import relation_names, table_times
from space.search.descriptions import DescriptionIndex
from space.search.tokens import TokenIndex

INDEXED_TABLES = ("mappings", "descriptions", "relations")


@dataclass(frozen=True)
class SearchIndex:
    """The searchable parts of an atlas. It never changes once it is built, so all threads may read it."""

    model: str
    tokens: TokenIndex
    descriptions: DescriptionIndex
    relations: tuple[str, ...]

    @classmethod
    def build(cls, atlas: Atlas) -> SearchIndex:
        """Reads an atlas; raises MapsError if a table is damaged."""
        index = cls(atlas.model, TokenIndex.build(atlas), DescriptionIndex.build(atlas), relation_names(atlas))
        pa.default_memory_pool().release_unused()
        return index


class SearchIndexes:
    """The indexes by atlas. A request waits while its index is being built, but not for other indexes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._build_locks: dict[Path, Lock] = {}
        self._indexes: dict[Path, tuple[tuple[int, ...], SearchIndex]] = {}

    def get(self, atlas: Atlas) -> SearchIndex:
        """The index of the atlas's current files."""
        with self._lock:
            build_lock = self._build_locks.setdefault(atlas.folder, Lock())
        with build_lock:
            times = table_times(atlas, INDEXED_TABLES)
            cached = self._indexes.get(atlas.folder)
            if cached is None or cached[0] != times:
                cached = self._indexes[atlas.folder] = times, SearchIndex.build(atlas)
            return cached[1]

    def start_building(self, atlases: Iterable[Atlas]) -> Thread:
        """Builds the indexes in a background thread; a damaged atlas is named on the terminal."""
        thread = Thread(target=self._build_all, args=(list(atlases),), name="search indexes", daemon=True)
        thread.start()
        return thread

    def _build_all(self, atlases: list[Atlas]) -> None:
        for atlas in atlases:
            try:
                self.get(atlas)
            except MapsError as error:
                print(f"{atlas.model} cannot be searched: {error}", file=sys.stderr)
