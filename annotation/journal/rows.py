"""Converts judgments to and from rows of the journal's table, and reads many of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from annotation.form import answers_of_judgment
from annotation.journal.assignments import NOT_WITHDRAWN_SQL, ROWS_PER_READ
from annotation.journal.database import Database
from annotation.sqlite_file import Row, utc_timestamp
from annotation.types import JUDGMENT_COLUMNS, Judgment, StoredJudgment, Withdrawal

JUDGMENT_COLUMNS_SQL = ", ".join(JUDGMENT_COLUMNS)
NOT_SUPERSEDED_SQL = "NOT EXISTS (SELECT 1 FROM judgments AS later WHERE later.supersedes = judgments.judgment_id)"


def judgment_from_row(row: Row) -> Judgment:
    cells = {name: row[name] for name in JUDGMENT_COLUMNS}
    for name in ("started_at", "submitted_at"):
        cells[name] = datetime.fromisoformat(cells[name])
    return Judgment(**cells)


def stored_judgment_from_row(row: Row) -> StoredJudgment:
    return StoredJudgment(judgment_from_row(row), datetime.fromisoformat(row["stored_at"]))


def is_same_answer(earlier: Judgment, later: Judgment) -> bool:
    """Whether two judgments are the same person's same answers to the same item. Their times may differ."""
    same_task = (earlier.item, earlier.annotator) == (later.item, later.annotator)
    return same_task and answers_of_judgment(earlier) == answers_of_judgment(later)


def load_judgment_cells(db: Database, study: str, columns: Sequence[str]) -> list[Sequence[Any]]:
    """See `Journal.judgment_cells`. Equal cells are one object; others can use the journal between two reads."""
    names = ", ".join(name for name in columns if name in JUDGMENT_COLUMNS)
    query = (
        f"SELECT position, {names} FROM judgments NOT INDEXED WHERE position > ? AND study = ? "
        f"AND {NOT_WITHDRAWN_SQL} ORDER BY position LIMIT {ROWS_PER_READ}"
    )
    cells: list[Sequence[Any]] = []
    known: dict[Any, Any] = {}
    last = 0
    while rows := db.select(query, (last, study)):
        last = rows[-1]["position"]
        cells += [tuple(known.setdefault(cell, cell) for cell in row[1:]) for row in rows]
    return cells


def insert_judgment(db: Database, judgment: Judgment, stored_at: datetime) -> int:
    """Adds a row inside a transaction; returns 1. Raises DuplicateRowError if the item is already answered."""
    cells = [getattr(judgment, name) for name in JUDGMENT_COLUMNS]
    values = [utc_timestamp(cell) if isinstance(cell, datetime) else cell for cell in cells]
    marks = ", ".join("?" * (len(values) + 1))
    return db.execute(
        f"INSERT INTO judgments (stored_at, {JUDGMENT_COLUMNS_SQL}) VALUES ({marks})",
        [utc_timestamp(stored_at), *values],
    )


def insert_withdrawal(db: Database, row: Withdrawal) -> int:
    """Adds a withdrawal inside a transaction; returns 0 if it was there before.

    Deletes the person's name, what was reserved for and given to them, and how the studies ended for them.
    """
    for table in ("reservations", "given_items", "outcomes"):
        db.execute(f"DELETE FROM {table} WHERE annotator = ?", [row.annotator])
    db.execute("DELETE FROM names WHERE pseudonym = ?", [row.annotator])
    query = "INSERT INTO withdrawals (annotator, withdrawn_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
    return db.execute(query, [row.annotator, utc_timestamp(row.withdrawn_at)])
