"""Append-only logs of rows that are not in their table yet: one JSON line each, merged at the end of a run."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from maps.atlas.card import atlas_card
from maps.atlas.info import AtlasSizes
from maps.atlas.reader import MAX_REASON_LENGTH, Atlas, list_card_files, write_table
from maps.atlas.schema import SCHEMAS, Row
from maps.atlas.table_checks import check_rows
from maps.errors import MapsError
from maps.files.atomic import write_file
from maps.text import escape_invisible, shorten

REPAIR_HINT = "repair or delete that line, then run the command again"
MAX_LINE_BYTES = 1_000_000
ROW_ERRORS = (pa.ArrowException, ValueError, TypeError, AttributeError, OverflowError, RecursionError)


class AppendLog:
    """The log of a table, open for appending.

    When `append` returns, the operating system has the row, so a kill of the process does not lose it. A thread calls
    fsync, once for all rows since the last call, so that only the end of the block waits for the disk.
    """

    def __init__(self, atlas: Atlas, table: str) -> None:
        self._file = pending_file(atlas, table).open("a", encoding="utf-8")
        self._written_rows = self._synced_rows = 0
        self._thread = ThreadPoolExecutor(1)
        self._jobs: deque[Future[None]] = deque()

    def __enter__(self) -> AppendLog:
        return self

    def __exit__(self, *_error: object) -> None:
        """Waits until every row is on the disk."""
        with self._file, self._thread:
            while self._jobs:
                self._jobs.popleft().result()

    def append(self, row: Row) -> None:
        """Writes a row; raises OSError where this or an earlier row could not be written."""
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()
        self._written_rows += 1
        self._jobs.append(self._thread.submit(self._sync, self._written_rows))
        while self._jobs and self._jobs[0].done():
            self._jobs.popleft().result()

    def _sync(self, row: int) -> None:
        if self._synced_rows < row:
            written = self._written_rows
            os.fsync(self._file.fileno())
            self._synced_rows = written


@contextmanager
def open_row_writer(atlas: Atlas, table: str) -> Iterator[Callable[[Row], None]]:
    """Yields a function that stores a row of a table: in the log at once, in the table when the block ends.

    Rows that an interrupted run left in the log are merged first.
    """
    merge_pending_rows(atlas, table)
    try:
        with AppendLog(atlas, table) as log:
            yield log.append
    finally:
        merge_pending_rows(atlas, table)


def pending_file(atlas: Atlas, table: str) -> Path:
    return atlas.folder / f"{table}.pending.jsonl"


def read_pending_rows(atlas: Atlas, table: str) -> list[Row]:
    """The rows of the log that are not in the table; raises MapsError that names a damaged line. Changes nothing."""
    path = pending_file(atlas, table)
    if not path.exists():
        return []
    rows = [
        parse_pending_row(line, table, atlas.sizes, f"{path}, line {number},")
        for number, line in enumerate(read_lines(path), start=1)
        if line
    ]
    stored = set(map(row_key, atlas.table(table).to_pylist())) if rows else set()
    return [row for row in rows if row_key(row) not in stored]


def row_key(row: Row) -> tuple[object, ...]:
    """The values of a row, which may have lists, as one value to look up."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in row.values())


def merge_pending_rows(atlas: Atlas, table: str) -> None:
    """Moves the rows of the log into the table. Safe to repeat after a crash: rows that are there are left out."""
    rows = read_pending_rows(atlas, table)
    if rows:
        stored = atlas.table(table).to_pylist()
        write_atlas_table(atlas, table, pa.Table.from_pylist([*stored, *rows], SCHEMAS[table]))
    pending_file(atlas, table).unlink(missing_ok=True)


def write_atlas_table(atlas: Atlas, name: str, content: pa.Table) -> None:
    """Writes a table of an atlas and updates its card."""
    write_table(atlas.folder, name, content)
    write_card(atlas)


def write_card(atlas: Atlas) -> None:
    write_file(atlas.folder / "README.md", atlas_card(atlas.info, list_card_files(atlas.folder)).encode())


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a log without their ends, one at a time. An incomplete last line was cut off by a crash.

    Raises MapsError at a line that is longer than any row.
    """
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise MapsError(f"{path} is damaged (a line has more than {MAX_LINE_BYTES:,} bytes); {REPAIR_HINT}.")
            if line.endswith(b"\n"):
                yield line[:-1]


def parse_pending_row(line: bytes, table: str, sizes: AtlasSizes, location: str) -> Row:
    """A line of the log as a row of the table; raises MapsError where no run can have written it."""
    try:
        row: Row = json.loads(line)
        if "created_at" in row:
            row = {**row, "created_at": datetime.fromisoformat(row["created_at"])}
        content = pa.Table.from_pylist([row], schema=SCHEMAS[table])
        check_rows(content, table, sizes)
        return dict(content.to_pylist()[0])
    except ROW_ERRORS as error:
        raise MapsError(f"{location} is damaged ({short_reason(error)}); {REPAIR_HINT}.") from error


def refusal_of_row(row: Row, table: str, sizes: AtlasSizes) -> str:
    """Why a row cannot be stored, since it could not be read again; empty if it can."""
    try:
        times = {"created_at": datetime.fromisoformat(row["created_at"])} if "created_at" in row else {}
        check_rows(pa.Table.from_pylist([row | times], schema=SCHEMAS[table]), table, sizes)
    except ROW_ERRORS as error:
        return short_reason(error)
    return ""


def short_reason(error: Exception) -> str:
    return shorten(escape_invisible(str(error)), MAX_REASON_LENGTH)
