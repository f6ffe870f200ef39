"""One search index per model, shared by all visitors; it is built again when the atlas or its files change."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

import pyarrow as pa

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.atlases.cache import table_times
from space.search.descriptions import DescriptionIndex
from space.search.relations import RelationIndex
from space.search.tokens import TokenIndex

INDEXED_TABLES = ("heads", "mappings", "descriptions", "patterns", "relations", "pairs")


@dataclass(frozen=True)
class SearchIndex:
    """The searchable parts of an atlas. It never changes once it is built, so all threads may read it."""

    model: str
    tokens: TokenIndex
    descriptions: DescriptionIndex
    relations: RelationIndex
    head_ids: tuple[HeadId, ...]

    @classmethod
    def build(cls, atlas: Atlas) -> SearchIndex:
        """Reads an atlas; raises MapsError if a table is damaged."""
        parts = TokenIndex.build(atlas), DescriptionIndex.build(atlas), RelationIndex.build(atlas)
        index = cls(atlas.model, *parts, atlas.head_ids)
        pa.default_memory_pool().release_unused()
        return index


class SearchIndexes:
    """The indexes by model. A request waits while its index is being built, but not for other indexes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._build_locks: dict[str, Lock] = {}
        self._indexes: dict[str, tuple[tuple[Path, tuple[int, ...]], SearchIndex]] = {}

    def get(self, atlas: Atlas) -> SearchIndex:
        """The index of the atlas's current files."""
        with self._lock:
            build_lock = self._build_locks.setdefault(atlas.model, Lock())
        with build_lock:
            files = atlas.folder, table_times(atlas, INDEXED_TABLES)
            cached = self._indexes.get(atlas.model)
            if cached is None or cached[0] != files:
                cached = self._indexes[atlas.model] = files, SearchIndex.build(atlas)
            return cached[1]

    def start_building(self, atlases: Mapping[str, Atlas]) -> Thread:
        """Builds the indexes of atlases by model in a background thread; one that cannot be built is named."""
        thread = Thread(target=self._build_all, args=(atlases,), name="search indexes", daemon=True)
        thread.start()
        return thread

    def _build_all(self, atlases: Mapping[str, Atlas]) -> None:
        for model in atlases:
            try:
                if (atlas := atlases.get(model)) is not None:  # it may be damaged by now
                    self.get(atlas)
            except MapsError as error:
                print(f"{model} cannot be searched: {error}", file=sys.stderr)
