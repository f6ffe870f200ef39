"""Which files of a ledger are put together, and what stays of files without certain people. Nothing is sent here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta

from annotation.ledger.rows import LARGEST_FILE, PATH, Row, annotator_of, files_of, kind_of, merged, parsed
from maps.hub.repository import File

REST = timedelta(days=1)  # a publication of that day may still be on its way
Changes = tuple[dict[str, bytes], list[str]]


def crowded(files: Mapping[str, File], today: date) -> list[list[str]]:
    """The files of each kind and day that are more than their size asks for, of days that are over since a day."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in sorted(files):
        found = PATH.fullmatch(path)
        if found and date.fromisoformat(found[2].replace("/", "-")) < today - REST:
            groups[found[1], found[2]].append(path)
    return [
        paths
        for paths in groups.values()
        if len(paths) > 1 + sum(files[path].size for path in paths) // (LARGEST_FILE // 2)
    ]


def compacted(files: Mapping[str, File], read: Callable[[Sequence[str]], Mapping[str, bytes]], today: date) -> Changes:
    """Files to add and paths to delete, so that the rows of a day stand in as few files as may be, each once."""
    add: dict[str, bytes] = {}
    delete: list[str] = []
    for paths in crowded(files, today):
        rows = merged(row for path, content in read(paths).items() for row in parsed(path, content))
        kind = paths[0].partition("/")[0]
        new = files_of(getattr(rows, kind))
        add |= {path: content for path, content in new.items() if path not in files}
        delete += [path for path in paths if path not in new]
    return add, delete


def without(contents: Mapping[str, bytes], withdrawn: Collection[str]) -> Changes:
    """Files to add and paths to delete, so that no answer and no consent of these people is left."""
    add: dict[str, bytes] = {}
    delete: list[str] = []
    for path, content in contents.items():
        rows = parsed(path, content)
        kept = [row for row in rows if is_kept(row, withdrawn)]
        if len(kept) < len(rows):
            add |= files_of(kept)
            delete.append(path)
    return add, delete


def is_kept(row: Row, withdrawn: Collection[str]) -> bool:
    """Whether a row stays: of people who withdrew only the withdrawal does."""
    return kind_of(row) in ("withdrawals", "openings") or annotator_of(row) not in withdrawn
