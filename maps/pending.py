"""Rows that wait for their table: on disk when they come, in the table at the end of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from maps.atlas import Atlas, write_file, write_table
from maps.card import atlas_card
from maps.tables import SCHEMAS, Row
from maps.types import MapsError

PENDING = "{table}.pending.jsonl"  # rows that are not in their table yet


def now() -> str:
    """The time in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat()


def pending(atlas: Atlas, table: str) -> Path:
    """Where rows wait for their table."""
    return atlas.folder / PENDING.format(table=table)


@contextmanager
def keeping(atlas: Atlas, *tables: str) -> Iterator[Callable[[str, Row], None]]:
    """A function that keeps a row for one of these tables; the row is on disk when it returns.

    Rows of an earlier run that was cut off are moved into their tables first, those of this run when the block ends.
    """
    for table in tables:
        merge(atlas, table)
    files = {table: pending(atlas, table).open("a", encoding="utf-8") for table in tables}

    def keep(table: str, row: Row) -> None:
        file = files[table]
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())

    try:
        yield keep
    finally:
        for file in files.values():
            file.close()
        for table in tables:
            merge(atlas, table)


def merge(atlas: Atlas, table: str) -> None:
    """Moves waiting rows into their table. Done twice after a crash it changes nothing: a row is there once."""
    path = pending(atlas, table)
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = [parsed(line, path) for line in lines[:-1] if line]  # what follows the last newline was cut off
    if rows:
        added = pa.Table.from_pylist(rows, schema=SCHEMAS[table])
        stored = atlas.table(table).to_pylist()
        joined = pa.Table.from_pylist([*stored, *(r for r in added.to_pylist() if r not in stored)], SCHEMAS[table])
        keep_table(atlas, table, joined)
    path.unlink()


def keep_table(atlas: Atlas, name: str, content: pa.Table) -> None:
    """Writes a table of an atlas and the card that lists it."""
    write_table(atlas.folder, name, content)
    write_file(atlas.folder / "README.md", atlas_card(atlas.info, atlas.tables).encode())


def parsed(line: str, path: Path) -> Row:
    """One waiting row."""
    try:
        row: Row = json.loads(line)
        return row if "created_at" not in row else {**row, "created_at": datetime.fromisoformat(row["created_at"])}
    except ValueError as error:
        raise MapsError(f"{path} is damaged ({error}); mend or delete it, then run the command again.") from error
