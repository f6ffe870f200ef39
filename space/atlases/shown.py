"""The atlases that pages use: those whose files are valid. A file that is replaced is checked again.

Jobs add atlases while the app runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from threading import Lock

from maps.atlas.random_csv import RANDOM_CSV
from maps.atlas.reader import Atlas
from maps.atlas.schema import SCHEMAS
from maps.errors import MapsError
from space.atlases.names import PREBUILT_FOLDER, name_atlas, sort_by_reading

CHECKED_FILES = (*SCHEMAS, RANDOM_CSV)


class ShownAtlases(Mapping[str, Atlas]):
    """Atlases by model, without those that have become damaged since they were opened and checked.

    `models`: the first atlas of every model, from `name_atlas`. Any thread may call the methods.
    """

    def __init__(self, atlases: Mapping[str, Atlas], models: Mapping[str, Atlas] | None = None) -> None:
        self._atlases = dict(atlases)  # never changed: another one takes its place
        self._models = dict(models or {})
        self._change_lock = Lock()
        self._times = {model: file_times(atlas) for model, atlas in self._atlases.items()}
        self._damage: dict[str, str] = {}

    def __getitem__(self, model: str) -> Atlas:
        """Raises KeyError for an unknown model and for a damaged atlas."""
        atlas = self._atlases[model]
        if self.problem(model):
            raise KeyError(model)
        return atlas

    def __iter__(self) -> Iterator[str]:
        return iter([model for model in self._atlases if not self.problem(model)])

    def __len__(self) -> int:
        return sum(not self.problem(model) for model in self._atlases)

    def problem(self, model: str) -> str:
        """Why the atlas of a model is not shown now, in one sentence for visitors; empty if it is shown."""
        if model not in self._atlases:
            return ""
        atlas, before = self._atlases[model], self._times[model]
        times = file_times(atlas)
        if times != before:
            self._check(model, atlas, [name for name in CHECKED_FILES if times[name] != before[name]])
            self._times[model] = times
        return self._damage.get(model, "")

    def problems(self) -> list[str]:
        return [problem for model in self._atlases if (problem := self.problem(model))]

    def show(self, atlas: Atlas) -> None:
        """Shows an atlas that was checked, in the place of a prebuilt or an older one of its name.

        An unfinished atlas replaces no finished one.
        """
        with self._change_lock:
            models = dict(self._models)
            named = name_atlas(atlas, models)
            before = self._atlases.get(named.model)
            if before is not None and not replaces(named, before):
                return
            self._models = models
            self._times = {**self._times, named.model: file_times(named)}
            self._damage.pop(named.model, None)
            self._atlases = sort_by_reading({**self._atlases, named.model: named}, list(models))

    def _check(self, model: str, atlas: Atlas, changed: list[str]) -> None:
        """Checks the changed files, or all if the atlas was damaged; the operator is told the reason."""
        was_damaged = self._damage.pop(model, None)
        try:
            Atlas.open(atlas.folder).check_tables(CHECKED_FILES if was_damaged else changed)
        except MapsError as error:
            print(f"The atlas of {model} is no longer shown: {error}", file=sys.stderr)
            self._damage[model] = (
                f"The atlas of {model} is damaged, so it is not shown. Please tell the person who runs this site."
            )


def replaces(after: Atlas, before: Atlas) -> bool:
    """Whether an atlas takes the place of another one of its name, as `open_atlases` has it, too."""
    if is_unfinished(before) or is_unfinished(after):
        return is_unfinished(before)
    return before.folder.parent == PREBUILT_FOLDER or after.info["created_at"] >= before.info["created_at"]


def is_unfinished(atlas: Atlas) -> bool:
    """Whether an atlas holds the layers so far of a mapping that goes on."""
    return "unfinished" in atlas.info


def file_times(atlas: Atlas) -> dict[str, int]:
    """When each file of an atlas was last written, in nanoseconds; 0 for a missing file."""
    paths = {name: atlas.table_file(name) for name in SCHEMAS} | {RANDOM_CSV: atlas.folder / RANDOM_CSV}
    return {name: path.stat().st_mtime_ns if path.exists() else 0 for name, path in paths.items()}
