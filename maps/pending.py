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

from maps.atlas import Atlas, read_json, write_file, write_json, write_table
from maps.card import atlas_card
from maps.tables import SCHEMAS, Row
from maps.types import MapsError


class Pending:
    """The waiting file of a table, open for adding.

    A row is with the operating system when `add` returns, so no end of the process loses it. A thread brings it to
    the disk (fsync), all rows since the last time at once, so that nobody waits for the disk but the end of the block.
    """

    def __init__(self, atlas: Atlas, table: str) -> None:
        self._file = pending_file(atlas, table).open("a", encoding="utf-8")
        self._written = self._synced = 0
        self._thread = ThreadPoolExecutor(1)
        self._jobs: deque[Future[None]] = deque()

    def __enter__(self) -> Pending:
        """The open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Waits until every row is on the disk."""
        with self._file, self._thread:
            while self._jobs:
                self._jobs.popleft().result()

    def add(self, row: Row) -> None:
        """Writes a row; raises OSError where this or an earlier one could not be kept."""
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()
        self._written += 1
        self._jobs.append(self._thread.submit(self._sync, self._written))
        while self._jobs and self._jobs[0].done():
            self._jobs.popleft().result()

    def _sync(self, row: int) -> None:
        """Brings the rows up to that one to the disk, unless they are there."""
        if self._synced < row:
            written = self._written
            os.fsync(self._file.fileno())
            self._synced = written


@contextmanager
def keeping(atlas: Atlas, table: str) -> Iterator[Callable[[Row], None]]:
    """A function that keeps a row for a table: in its waiting file at once, in the table when the block ends.

    Rows of an earlier run that was cut off are taken over first.
    """
    merge(atlas, table)
    try:
        with Pending(atlas, table) as waiting:
            yield waiting.add
    finally:
        merge(atlas, table)


def pending_file(atlas: Atlas, table: str) -> Path:
    """Where rows wait for their table."""
    return atlas.folder / f"{table}.pending.jsonl"


def merge(atlas: Atlas, table: str) -> None:
    """Moves waiting rows into their table. Done twice after a crash it changes nothing: known rows are left out."""
    path = pending_file(atlas, table)
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = [parsed(line, path) for line in lines[:-1] if line]  # what follows the last newline was cut off
    if rows:
        added = pa.Table.from_pylist(rows, schema=SCHEMAS[table]).to_pylist()
        stored = atlas.table(table).to_pylist()
        known = set(map(key, stored))
        joined = pa.Table.from_pylist([*stored, *(row for row in added if key(row) not in known)], SCHEMAS[table])
        keep_table(atlas, table, joined)
    path.unlink()


def keep_table(atlas: Atlas, name: str, content: pa.Table) -> None:
    """Writes a table of an atlas, and the card that lists it."""
    write_table(atlas.folder, name, content)
    write_file(atlas.folder / "README.md", atlas_card(atlas.info, atlas.tables).encode())


def note(path: Path, describer: str, entry: object) -> None:
    """Keeps a describer's entry in a file of notes, or with None drops it; a file without entries is removed."""
    noted = {name: other for name, other in (read_json(path) or {}).items() if name != describer}
    if entry is not None:
        noted[describer] = entry
    if noted:
        write_json(path, noted)
    else:
        path.unlink(missing_ok=True)


def key(row: Row) -> tuple[object, ...]:
    """What tells one row from another: everything in it."""
    return tuple(row.values())


def parsed(line: str, path: Path) -> Row:
    """One waiting row."""
    try:
        row: Row = json.loads(line)
        return row if "created_at" not in row else {**row, "created_at": datetime.fromisoformat(row["created_at"])}
    except ValueError as error:
        raise MapsError(f"{path} is damaged ({error}); mend or delete it, then run the command again.") from error
