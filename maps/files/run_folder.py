"""Work that is done in parts, each stored when it is finished, so that a stopped run continues where it stopped.

    OUT/correlation.parts/settings.json         the settings that the parts were made with
    OUT/correlation.parts/layer-007.json        the part of a layer
    OUT/correlation.parts/0a1b2c3d4e5f6071.json the part of a relation, named by a hash: its own name may be any text

A part is written whole or not at all. The lock of OUT is taken before anything is written: no two runs mix their parts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maps.errors import MapsError
from maps.files.atomic import read_json, write_json
from maps.files.lock import lock_folder
from maps.types import Part, Progress

REMEDY = "delete it and run the same command again"


@dataclass(frozen=True)
class RunFolder:
    """The parts of one run. `out` is the folder that is locked while the run works; it contains the folder `name`."""

    out: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.out / self.name

    @contextmanager
    def begin(
        self,
        command: str,
        settings: Dictionary[str, Any],
        contents: str = "a run",
        remedy: str = "choose another --out",
    ) -> Iterator[None]:
        """Locks `out` until the block ends, compares the settings with the stored ones and stores them.

        Raises MapsError when another run holds the lock, or when the stored settings differ: `contents` and `remedy`
        then say what the folder contains and what to do.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        with lock_folder(self.out, command):
            path = self.folder / "settings.json"
            stored = read_json(path, REMEDY)
            if stored is None:
                write_json(path, settings)
            elif stored != json.loads(json.dumps(settings)):
                difference = settings_difference(stored, settings)
                raise MapsError(f"{self.out} holds {contents} with other settings ({difference}); {remedy}.")
            yield

    def path(self, part: int | str) -> Path:
        return self.folder / f"{part_name(part)}.json"

    def has(self, part: int | str) -> bool:
        return self.path(part).exists()

    def store(self, part: int | str, data: Dictionary[str, Any]) -> None:
        write_json(self.path(part), data)

    def read(self, part: int | str) -> dict[str, Any]:
        """A stored part; raises MapsError when it is missing or damaged."""
        data = read_json(self.path(part), REMEDY)
        if data is None:
            raise MapsError(f"{self.path(part)} is missing; run the same command again.")
        return data

    def missing(self, parts: Iterable[Part]) -> list[Part]:
        return [part for part in parts if not self.has(part)]

    def compute_missing(
        self, parts: Sequence[Part], compute: Callable[[Part], Dictionary[str, Any]], progress: Progress[Part]
    ) -> list[dict[str, Any]]:
        """Computes and stores the missing parts, then returns all parts in order."""
        missing = self.missing(parts)
        if missing:
            for part in progress(missing, len(parts) - len(missing)):
                self.store(part, compute(part))
        return [self.read(part) for part in parts]


def part_name(part: int | str) -> str:
    """`layer-007` for layer 7; the first 16 hex digits of its name's SHA-256 for a relation."""
    return f"layer-{part:03d}" if isinstance(part, int) else hashlib.sha256(part.encode()).hexdigest()[:16]


def settings_difference(before: Dictionary[str, Any], after: Dictionary[str, Any]) -> str:
    """The first setting that differs, in words: `k was 60, now 3`."""
    if before.get("weights") != after.get("weights"):
        return "the model's weights have changed"
    for key in after:
        if before.get(key) != json.loads(json.dumps(after[key])):
            old, new = json.dumps(before.get(key), ensure_ascii=False), json.dumps(after[key], ensure_ascii=False)
            return f"{key} was {old}, now {new}" if len(old + new) < 120 else f"other {key}"
    return "other settings"
