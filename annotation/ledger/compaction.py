"""Which files of a ledger are put together, and what stays of files without certain people. Nothing is sent here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta

from annotation.ledger.rows import (
    MAX_FILE_BYTES,
    ROW_FILE_PATH,
    LedgerRow,
    files_from_rows,
    merge_rows,
    parse_rows,
    row_annotator,
    row_kind,
)
from maps.hub.repository import HubFile

COMPACTION_DELAY = timedelta(days=1)  # a publication of that day may still be on its way
FileChanges = tuple[dict[str, bytes], list[str]]


def find_fragmented_days(files: Mapping[str, HubFile], today: date) -> list[list[str]]:
    """The files of each kind and day that are more than their size asks for, of days that are over since a day."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in sorted(files):
        found = ROW_FILE_PATH.fullmatch(path)
        if found and date.fromisoformat(found[2].replace("/", "-")) < today - COMPACTION_DELAY:
            groups[found[1], found[2]].append(path)
    return [
        paths
        for paths in groups.values()
        if len(paths) > 1 + sum(files[path].size for path in paths) // (MAX_FILE_BYTES // 2)
    ]


def plan_compaction(
    files: Mapping[str, HubFile], read: Callable[[Sequence[str]], Mapping[str, bytes]], today: date
) -> FileChanges:
    """Files to add and paths to delete, so that the rows of a day stand in as few files as may be, each once."""
    add: dict[str, bytes] = {}
    delete: list[str] = []
    for paths in find_fragmented_days(files, today):
        rows = merge_rows(row for path, content in read(paths).items() for row in parse_rows(path, content))
        kind = paths[0].partition("/")[0]
        new = files_from_rows(getattr(rows, kind))
        add |= {path: content for path, content in new.items() if path not in files}
        delete += [path for path in paths if path not in new]
    return add, delete


def plan_removal_of_withdrawn(contents: Mapping[str, bytes], withdrawn: Collection[str]) -> FileChanges:
    """Files to add and paths to delete, so that no answer and no consent of these people is left."""
    add: dict[str, bytes] = {}
    delete: list[str] = []
    for path, content in contents.items():
        rows = parse_rows(path, content)
        kept = [row for row in rows if is_kept(row, withdrawn)]
        if len(kept) < len(rows):
            add |= files_from_rows(kept)
            delete.append(path)
    return add, delete


def is_kept(row: LedgerRow, withdrawn: Collection[str]) -> bool:
    """Whether a row stays: of people who withdrew only the withdrawal does."""
    return row_kind(row) in ("withdrawals", "openings") or row_annotator(row) not in withdrawn
