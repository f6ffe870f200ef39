"""Files of notes in an atlas's folder: what each describer has begun and not finished."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from maps.errors import MapsError
from maps.files.atomic import read_json, write_json


class RunNotes(NamedTuple):
    """A file with one entry a describer; `remedy` says what to do where it is damaged."""

    path: Path
    remedy: str

    def read_entry(self, describer: str) -> object:
        """A describer's entry, or None."""
        return (read_json(self.path, self.remedy) or {}).get(describer)

    def write_entry(self, describer: str, entry: object) -> None:
        """Keeps a describer's entry, or with None drops it; a file without entries is removed."""
        before = read_json(self.path, self.remedy) or {}
        noted = {name: other for name, other in before.items() if name != describer}
        if entry is not None:
            noted[describer] = entry
        if noted:
            write_json(self.path, noted)
        else:
            self.path.unlink(missing_ok=True)

    def damaged_entry_error(self, describer: str) -> MapsError:
        """That a describer's entry is none that a run wrote."""
        return MapsError(f"{self.path} is damaged (the entry of {describer}); {self.remedy}.")
