"""JSON files in an atlas's folder that record what each describer has begun and not finished."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from maps.errors import MapsError
from maps.files.atomic import read_json, write_json


class RunNotes(NamedTuple):
    """A file with one entry for each describer. `remedy`: what to do where it is damaged."""

    path: Path
    remedy: str

    def read_entry(self, describer: str) -> object:
        return (read_json(self.path, self.remedy) or {}).get(describer)

    def write_entry(self, describer: str, entry: object) -> None:
        """Stores a describer's entry; None removes it, and the file with the last entry."""
        entries = read_json(self.path, self.remedy) or {}
        entries.pop(describer, None)
        if entry is not None:
            entries[describer] = entry
        if entries:
            write_json(self.path, entries)
        else:
            self.path.unlink(missing_ok=True)

    def damaged_entry_error(self, describer: str) -> MapsError:
        return MapsError(f"{self.path} is damaged (the entry of {describer}); {self.remedy}.")
