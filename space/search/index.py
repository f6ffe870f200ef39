"""One index an atlas, built once for everybody, at the start or when first asked, and again when its files changed."""

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
    """What is searched of an atlas; never changed once it is built, so all threads may read it."""

    model: str
    tokens: TokenIndex
    descriptions: DescriptionIndex
    relations: tuple[str, ...]

    @classmethod
    def build(cls, atlas: Atlas) -> SearchIndex:
        """Reads an atlas; raises MapsError where a table is damaged."""
        made = cls(atlas.model, TokenIndex.build(atlas), DescriptionIndex.build(atlas), relation_names(atlas))
        pa.default_memory_pool().release_unused()
        return made


class SearchIndexes:
    """The indexes by atlas. Whoever asks for one that is being built waits for it; others do not."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._build_locks: dict[Path, Lock] = {}
        self._indexes: dict[Path, tuple[tuple[int, ...], SearchIndex]] = {}

    def get(self, atlas: Atlas) -> SearchIndex:
        """The index of an atlas as its files are now."""
        with self._lock:
            building = self._build_locks.setdefault(atlas.folder, Lock())
        with building:
            now = table_times(atlas, INDEXED_TABLES)
            kept = self._indexes.get(atlas.folder)
            if kept is None or kept[0] != now:
                kept = self._indexes[atlas.folder] = now, SearchIndex.build(atlas)
            return kept[1]

    def start_building(self, atlases: Iterable[Atlas]) -> Thread:
        """Builds the indexes of some atlases in a thread; what is damaged is said on the terminal."""
        thread = Thread(target=self._build_all, args=(list(atlases),), name="search indexes", daemon=True)
        thread.start()
        return thread

    def _build_all(self, atlases: list[Atlas]) -> None:
        for atlas in atlases:
            try:
                self.get(atlas)
            except MapsError as error:
                print(f"Search leaves out {atlas.model}: {error}", file=sys.stderr)
