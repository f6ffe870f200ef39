"""The studies whose single answers an organiser opened before the end. Functions on the journal's database."""

from __future__ import annotations

from datetime import datetime

from annotation.journal.database import Database
from annotation.sqlite_file import utc_timestamp


def open_answers(db: Database, study: str, organiser: str) -> None:
    """See `Journal.open_answers`."""
    with db.transaction("The answers were not opened: {reason}."):
        query = "INSERT INTO openings (study, organiser, opened_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        db.execute(query, [study, organiser, utc_timestamp(db.now())])


def answers_opened_at(db: Database, study: str) -> datetime | None:
    """See `Journal.answers_opened_at`."""
    rows = db.select("SELECT opened_at FROM openings WHERE study = ?", [study])
    return datetime.fromisoformat(rows[0]["opened_at"]) if rows else None
