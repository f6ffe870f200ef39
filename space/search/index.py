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
from space.atlases.cache import relations, version
from space.search.descriptions import Sentences
from space.search.tokens import Tokens

TABLES = ("mappings", "descriptions", "relations")


@dataclass(frozen=True)
class Index:
    """What is searched of an atlas; never changed once it is built, so all threads may read it."""

    model: str
    tokens: Tokens
    sentences: Sentences
    relations: tuple[str, ...]

    @classmethod
    def of(cls, atlas: Atlas) -> Index:
        """Reads an atlas; raises MapsError where a table is damaged."""
        made = cls(atlas.model, Tokens.of(atlas), Sentences.of(atlas), relations(atlas))
        pa.default_memory_pool().release_unused()
        return made


class Indexes:
    """The indexes by atlas. Whoever asks for one that is being built waits for it; others do not."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._building: dict[Path, Lock] = {}
        self._kept: dict[Path, tuple[tuple[int, ...], Index]] = {}

    def of(self, atlas: Atlas) -> Index:
        """The index of an atlas as its files are now."""
        with self._lock:
            building = self._building.setdefault(atlas.folder, Lock())
        with building:
            now = version(atlas, TABLES)
            kept = self._kept.get(atlas.folder)
            if kept is None or kept[0] != now:
                kept = self._kept[atlas.folder] = now, Index.of(atlas)
            return kept[1]

    def warm(self, atlases: Iterable[Atlas]) -> Thread:
        """Builds the indexes of some atlases in a thread; what is damaged is said on the terminal."""
        thread = Thread(target=self._build, args=(list(atlases),), name="search indexes", daemon=True)
        thread.start()
        return thread

    def _build(self, atlases: list[Atlas]) -> None:
        for atlas in atlases:
            try:
                self.of(atlas)
            except MapsError as error:
                print(f"Search leaves out {atlas.model}: {error}", file=sys.stderr)
