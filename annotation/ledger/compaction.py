"""Plans changes of a ledger's files: many small files merged, and rows of withdrawn annotators removed.

Nothing is sent from here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta

from annotation.ledger.rows import (
    MAX_FILE_BYTES,
    ROW_FILE_PATH,
    files_from_rows,
    merge_rows,
    parse_rows,
    row_annotator,
    row_kind,
)
from annotation.types import LedgerRow
from maps.hub.repository import HubFile

COMPACTION_DELAY = timedelta(days=1)  # files of a day may still arrive on the next day
FileChanges = tuple[dict[str, bytes], list[str]]


def find_fragmented_days(files: Mapping[str, HubFile], today: date) -> list[list[str]]:
    """The groups of files, each of one kind and day, that should be merged.

    A group needs more files than its size justifies, and its day must have been over for `COMPACTION_DELAY`.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in sorted(files):
        match = ROW_FILE_PATH.fullmatch(path)
        if match and date.fromisoformat(match[2].replace("/", "-")) < today - COMPACTION_DELAY:
            groups[match[1], match[2]].append(path)
    return [
        paths
        for paths in groups.values()
        if len(paths) > 1 + sum(files[path].size for path in paths) // (MAX_FILE_BYTES // 2)
    ]


def plan_compaction(
    files: Mapping[str, HubFile], read: Callable[[Sequence[str]], Mapping[str, bytes]], today: date
) -> FileChanges:
    """The files to add and the paths to delete, so that each day's rows are in as few files as possible, each once."""
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
    """The files to add and the paths to delete, so that no answer and no consent of these annotators is left."""
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
    """Whether a row stays: of annotators who withdrew, only the withdrawal does."""
    return row_kind(row) in ("withdrawals", "openings") or row_annotator(row) not in withdrawn
