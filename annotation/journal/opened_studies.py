"""Which studies' single answers an organiser opened to annotators before the end. Functions over the journal."""

from __future__ import annotations

from datetime import datetime

from annotation.journal.database import Database, utc_timestamp


def open_answers(db: Database, study: str, organiser: str) -> None:
    """Opens a study's single answers for good; again, it changes nothing."""
    with db.transaction("The answers were not opened: {reason}."):
        query = "INSERT INTO openings (study, organiser, opened_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        db.execute(query, [study, organiser, utc_timestamp(db.now())])


def answers_opened_at(db: Database, study: str) -> datetime | None:
    """When a study's single answers were opened; None where they were not."""
    rows = db.select("SELECT opened_at FROM openings WHERE study = ?", [study])
    return datetime.fromisoformat(rows[0]["opened_at"]) if rows else None
