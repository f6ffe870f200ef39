"""Atlases without the descriptions of some heads: what visitors see while a study hides them.

Such an atlas is a folder of its own. Its tables with a describer's words or marks lack the rows of these heads; its
other files are links to those of the whole atlas. So every page, search and download that reads it gives nothing away.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc

from maps.atlas.random_csv import RANDOM_CSV
from maps.atlas.reader import Atlas, write_table
from maps.errors import MapsError
from maps.files.atomic import atomic_writer
from maps.text import pluralize
from maps.types import HeadId
from space.atlases.shown import CHECKED_FILES, file_times

# Tables with a describer's words or marks about one head; `checks` are the hypotheses of the offline describer.
DESCRIPTIVE_TABLES = ("descriptions", "patterns", "failures", "scores", "detections", "checks", "predictions")
HIDDEN_DESCRIPTION = "The description of this head is hidden while a study of it goes on."
MAX_HEADS_PER_LAYER = 1 << 20  # numbers a head by its layer and its number in it


@dataclass(frozen=True)
class PartialAtlas(Atlas):
    """An atlas without the descriptions of the hidden heads."""

    hidden_heads: frozenset[HeadId]


@dataclass(frozen=True)
class BuiltAtlas:
    """A folder that was built: its atlas, and when the files of the whole atlas were written."""

    atlas: PartialAtlas
    times: dict[str, int]


def hidden_heads(atlas: Atlas) -> frozenset[HeadId]:
    """The heads whose descriptions an atlas leaves out."""
    return atlas.hidden_heads if isinstance(atlas, PartialAtlas) else frozenset()


def hidden_descriptions_sentence(atlas: Atlas) -> str:
    """How many heads' descriptions are hidden, in one sentence; empty if none is."""
    count = len(hidden_heads(atlas))
    if not count:
        return ""
    return f"The descriptions of {pluralize(count, 'head')} of {atlas.model} are hidden while a study of them goes on."


class VisibleAtlases(Mapping[str, Atlas]):
    """The atlases as visitors see them. `heads_to_hide` gives the heads of a model to hide; it is asked at each use.

    `folder` holds the folders that are built, one for each model. A folder is brought up to date only after the heads
    or the files of the whole atlas have changed.
    """

    def __init__(
        self, whole: Mapping[str, Atlas], folder: Path, heads_to_hide: Callable[[str], frozenset[HeadId]]
    ) -> None:
        self._whole, self._folder, self._heads_to_hide = whole, folder, heads_to_hide
        self._built: dict[str, BuiltAtlas | None] = {}
        self._lock = Lock()

    def __getitem__(self, model: str) -> Atlas:
        """Raises KeyError for an unknown model, MapsError if the heads are unknown or the folder cannot be written."""
        atlas = self._whole[model]
        heads = self._heads_to_hide(model)
        if not heads and model in self._built:
            return atlas
        with self._lock:
            folder = self._folder / hashlib.sha256(model.encode()).hexdigest()[:16]
            if model not in self._built:  # what an earlier process left
                shutil.rmtree(folder, ignore_errors=True)
                self._built[model] = None
            if not heads:
                return atlas
            before, times = self._built[model], file_times(atlas)
            if before is None or (before.atlas.hidden_heads, before.times) != (heads, times):
                self._built[model] = None  # a folder that was written in part is written again
                self._built[model] = before = build_folder(atlas, folder, heads, times, before)
            return before.atlas

    def __contains__(self, model: object) -> bool:
        return model in self._whole

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)


def build_folder(
    whole: Atlas, folder: Path, heads: frozenset[HeadId], times: dict[str, int], before: BuiltAtlas | None
) -> BuiltAtlas:
    """Writes the files of a folder, or those that differ from `before`; each is replaced as a whole."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in CHECKED_FILES:
            is_descriptive = name in DESCRIPTIVE_TABLES
            has_same_heads = before is not None and before.atlas.hidden_heads == heads
            if before is not None and before.times[name] == times[name] and (has_same_heads or not is_descriptive):
                continue
            file = name if name == RANDOM_CSV else f"{name}.parquet"
            if not times[name]:
                (folder / file).unlink(missing_ok=True)
            elif is_descriptive:
                write_table(folder, name, rows_to_show(whole, name, heads))
            else:
                link_or_copy(whole.folder / file, folder / file)
        link_or_copy(whole.folder / "atlas.json", folder / "atlas.json")
    except OSError as error:
        raise MapsError(
            f"The atlas of {whole.model} cannot be shown at the moment. Please tell the person who runs this site: "
            f"{folder} cannot be written ({error.strerror or error})."
        ) from error
    return BuiltAtlas(PartialAtlas(folder, whole.info, heads), times)


def rows_to_show(atlas: Atlas, name: str, heads: frozenset[HeadId]) -> pa.Table:
    """A descriptive table without the rows of some heads, and without answers to questions that showed theirs."""
    rows = atlas.table(name)
    rows = rows.filter(pc.invert(is_of_heads(rows, heads)))
    if name == "detections":  # an id is a hash of the description's text
        descriptions = atlas.table("descriptions", ["layer", "head", "description_id"])
        ids = descriptions.filter(is_of_heads(descriptions, heads))["description_id"].combine_chunks()
        rows = rows.filter(pc.invert(pc.is_in(rows["shown_id"], ids)))
    return rows


def is_of_heads(rows: pa.Table, heads: frozenset[HeadId]) -> pa.ChunkedArray:
    """For each row, whether it is of one of these heads."""
    numbers = pc.add(pc.multiply(rows["layer"].cast(pa.int64()), MAX_HEADS_PER_LAYER), rows["head"])
    wanted = pa.array([head.layer * MAX_HEADS_PER_LAYER + head.head for head in sorted(heads)], pa.int64())
    return pc.is_in(numbers, wanted)


def link_or_copy(source: Path, target: Path) -> None:
    """Replaces a file by a symbolic link to another, or by a copy where the file system has no such links."""
    link = target.with_name(f".{target.name}.link")
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(source.resolve())
    except OSError:
        with source.open("rb") as content, atomic_writer(target) as copy:
            shutil.copyfileobj(content, copy)
        return
    link.replace(target)
