"""The end of studies, which is recorded once. Functions on the journal's database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from annotation.errors import JournalError
from annotation.journal.database import Database
from annotation.journal.study_changes import deadline_of, is_past_deadline
from annotation.sqlite_file import Row, utc_timestamp
from annotation.study.study import Study, has_all_judgments
from annotation.types import Ending, EndingReason

OVER_REASONS = {
    "closed": "an organiser closed it",
    "deadline": "its deadline has passed",
    "complete": "all its judgments are there",
}


def close_study(db: Database, study: Study, organiser: str) -> None:
    """See `Journal.close_study`."""
    if study.settings.per_item is None:
        raise JournalError("The study of all described heads is always open, so it cannot be closed.")
    with db.transaction("The study was not closed: {reason}."):
        _insert_ending(db, study, "closed", organiser)


def load_endings(db: Database) -> dict[str, Ending]:
    """See `Journal.endings`."""
    return {row["study"]: ending_from_row(row) for row in db.select("SELECT * FROM endings ORDER BY position")}


def load_ending(db: Database, study: str) -> Ending | None:
    """The recorded end of a study."""
    rows = db.select("SELECT * FROM endings WHERE study = ?", [study])
    return ending_from_row(rows[0]) if rows else None


def due_reason(db: Database, study: Study, judged_by: Mapping[str, set[str]]) -> EndingReason | None:
    """Why a study ends now without an organiser; None if it goes on. `judged_by`: who has judged each item."""
    if db.deadlines.has_passed_for_good(study.name, deadline_of(db, study), db.now()):
        return "deadline"
    if study.settings.per_item is not None and db.assignments.index(study).open_slots:
        return None
    return "complete" if has_all_judgments(study, judged_by) else None


def record_if_due(db: Database, study: Study, judged_by: Mapping[str, set[str]]) -> None:
    """Records inside a transaction that a study is over, if it is; `judged_by` is read in the same transaction."""
    if (reason := due_reason(db, study, judged_by)) is not None:
        _insert_ending(db, study, reason, None)


def over_reason(db: Database, study: Study) -> str | None:
    """See `Journal.over_reason`."""
    if (ending := load_ending(db, study.name)) is not None:
        return OVER_REASONS.get(ending.reason, "it has ended")
    return OVER_REASONS["deadline"] if is_past_deadline(db, study) else None


def _insert_ending(db: Database, study: Study, reason: EndingReason, organiser: str | None) -> None:
    query = "INSERT INTO endings (study, reason, ended_by, ended_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    db.execute(query, [study.name, reason, organiser, utc_timestamp(db.now())])


def ending_from_row(row: Row) -> Ending:
    return Ending(row["study"], row["reason"], row["ended_by"], datetime.fromisoformat(row["ended_at"]))
