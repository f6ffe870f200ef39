"""Judgments ⇄ rows of the journal's table."""

from __future__ import annotations

from datetime import datetime

from annotation.journal.database import Database, Row, stamp
from annotation.types import JUDGMENT_COLUMNS, Judgment, Stored

COLUMNS = ", ".join(JUDGMENT_COLUMNS)


def judgment_of(row: Row) -> Judgment:
    """The judgment in a row."""
    cells = {name: row[name] for name in JUDGMENT_COLUMNS}
    for name in ("started_at", "submitted_at"):
        cells[name] = datetime.fromisoformat(cells[name])
    return Judgment(**cells)


def stored_of(row: Row) -> Stored:
    """The same with its time of storing."""
    return Stored(judgment_of(row), datetime.fromisoformat(row["stored_at"]))


def same(earlier: Judgment, later: Judgment) -> bool:
    """Whether two rows are the same answers of one person to one item; a retry may differ in its times."""

    def content(row: Judgment) -> tuple[object, ...]:
        return (row.item, row.annotator, row.presence, row.precision, row.category, row.comment)

    return content(earlier) == content(later)


def insert(db: Database, judgment: Judgment, stored_at: datetime) -> int:
    """Adds a row inside a transaction; returns 1. Raises TwiceError where the item is answered already."""
    cells = (getattr(judgment, name) for name in JUDGMENT_COLUMNS)
    values = [stamp(cell) if isinstance(cell, datetime) else cell for cell in cells]
    marks = ", ".join("?" * (len(values) + 1))
    return db.execute(f"INSERT INTO judgments (stored_at, {COLUMNS}) VALUES ({marks})", [stamp(stored_at), *values])
