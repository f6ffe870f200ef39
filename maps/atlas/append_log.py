"""Rows that wait for their table: a line each, written when it comes, moved into the table at the end of a run."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from maps.atlas.card import atlas_card
from maps.atlas.reader import Atlas, list_card_files, write_table
from maps.atlas.schema import NULLABLE_COLUMNS, SCHEMAS, Row
from maps.errors import MapsError
from maps.files.atomic import write_file

REPAIR_HINT = "mend or delete that line, then run the command again"


class AppendLog:
    """The waiting file of a table, open for adding.

    A row is with the operating system when `append` returns, so no end of the process loses it. A thread brings it to
    the disk (fsync), all rows since the last time at once, so that nobody waits for the disk but the end of the block.
    """

    def __init__(self, atlas: Atlas, table: str) -> None:
        self._file = pending_file(atlas, table).open("a", encoding="utf-8")
        self._written_rows = self._synced_rows = 0
        self._thread = ThreadPoolExecutor(1)
        self._jobs: deque[Future[None]] = deque()

    def __enter__(self) -> AppendLog:
        """The open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Waits until every row is on the disk."""
        with self._file, self._thread:
            while self._jobs:
                self._jobs.popleft().result()

    def append(self, row: Row) -> None:
        """Writes a row; raises OSError where this or an earlier one could not be kept."""
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()
        self._written_rows += 1
        self._jobs.append(self._thread.submit(self._sync, self._written_rows))
        while self._jobs and self._jobs[0].done():
            self._jobs.popleft().result()

    def _sync(self, row: int) -> None:
        """Brings the rows up to that one to the disk, unless they are there."""
        if self._synced_rows < row:
            written = self._written_rows
            os.fsync(self._file.fileno())
            self._synced_rows = written


@contextmanager
def open_row_writer(atlas: Atlas, table: str) -> Iterator[Callable[[Row], None]]:
    """A function that keeps a row for a table: in its waiting file at once, in the table when the block ends.

    Rows of an earlier run that was cut off are taken over first.
    """
    merge_pending_rows(atlas, table)
    try:
        with AppendLog(atlas, table) as waiting:
            yield waiting.append
    finally:
        merge_pending_rows(atlas, table)


def pending_file(atlas: Atlas, table: str) -> Path:
    """Where rows wait for their table."""
    return atlas.folder / f"{table}.pending.jsonl"


def read_pending_rows(atlas: Atlas, table: str) -> list[Row]:
    """The waiting rows that are not in their table; MapsError names the line that is damaged. Moves nothing."""
    path = pending_file(atlas, table)
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last newline was cut off
    rows = [
        parse_pending_row(line, table, f"{path}, line {number},") for number, line in enumerate(lines, start=1) if line
    ]
    known = set(map(row_key, atlas.table(table).to_pylist())) if rows else set()
    return [row for row in rows if row_key(row) not in known]


def merge_pending_rows(atlas: Atlas, table: str) -> None:
    """Moves waiting rows into their table. Done twice after a crash it changes nothing: known rows are left out."""
    rows = read_pending_rows(atlas, table)
    if rows:
        stored = atlas.table(table).to_pylist()
        write_atlas_table(atlas, table, pa.Table.from_pylist([*stored, *rows], SCHEMAS[table]))
    pending_file(atlas, table).unlink(missing_ok=True)


def write_atlas_table(atlas: Atlas, name: str, content: pa.Table) -> None:
    """Writes a table of an atlas, and the card that lists it."""
    write_table(atlas.folder, name, content)
    write_card(atlas)


def write_card(atlas: Atlas) -> None:
    """Writes the card, with the files that are there now."""
    write_file(atlas.folder / "README.md", atlas_card(atlas.info, list_card_files(atlas.folder)).encode())


def row_key(row: Row) -> tuple[object, ...]:
    """What tells one row from another: everything in it."""
    return tuple(row.values())


def parse_pending_row(line: bytes, table: str, location: str) -> Row:
    """One waiting row as the table holds it; raises MapsError where no run can have written the line."""
    try:
        row: Row = json.loads(line)
        if "created_at" in row:
            row = {**row, "created_at": datetime.fromisoformat(row["created_at"])}
        stored: Row = pa.Table.from_pylist([row], schema=SCHEMAS[table]).to_pylist()[0]
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise MapsError(f"{location} is damaged ({error}); {REPAIR_HINT}.") from error
    missing = [name for name, value in stored.items() if value is None and name not in NULLABLE_COLUMNS]
    if missing:
        raise MapsError(f"{location} is damaged (it lacks {missing[0]}); {REPAIR_HINT}.")
    return stored
