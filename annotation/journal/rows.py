"""Judgments ⇄ rows of the journal's table."""

from __future__ import annotations

from datetime import datetime

from annotation.journal.database import Database, Row, utc_timestamp
from annotation.types import JUDGMENT_COLUMNS, Judgment, StoredJudgment

JUDGMENT_COLUMNS_SQL = ", ".join(JUDGMENT_COLUMNS)


def judgment_from_row(row: Row) -> Judgment:
    """The judgment in a row."""
    cells = {name: row[name] for name in JUDGMENT_COLUMNS}
    for name in ("started_at", "submitted_at"):
        cells[name] = datetime.fromisoformat(cells[name])
    return Judgment(**cells)


def stored_judgment_from_row(row: Row) -> StoredJudgment:
    """The same with its time of storing."""
    return StoredJudgment(judgment_from_row(row), datetime.fromisoformat(row["stored_at"]))


def is_same_answer(earlier: Judgment, later: Judgment) -> bool:
    """Whether two rows are the same answers of one person to one item; a retry may differ in its times."""

    def content(row: Judgment) -> tuple[object, ...]:
        return (row.item, row.annotator, row.presence, row.precision, row.category, row.comment)

    return content(earlier) == content(later)


def insert_judgment(db: Database, judgment: Judgment, stored_at: datetime) -> int:
    """Adds a row inside a transaction; returns 1. Raises TwiceError where the item is answered already."""
    cells = (getattr(judgment, name) for name in JUDGMENT_COLUMNS)
    values = [utc_timestamp(cell) if isinstance(cell, datetime) else cell for cell in cells]
    marks = ", ".join("?" * (len(values) + 1))
    return db.execute(
        f"INSERT INTO judgments (stored_at, {JUDGMENT_COLUMNS_SQL}) VALUES ({marks})",
        [utc_timestamp(stored_at), *values],
    )
