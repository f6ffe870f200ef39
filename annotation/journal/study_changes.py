"""What organisers change of a study: they pause it, let it go on, move its deadline to a later time, or delete it.

The study's file stays as it is; each change is a row of the journal, and the newest counts. Functions on the journal's
database.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from annotation.errors import JournalError
from annotation.journal.database import Database
from annotation.sqlite_file import Row, utc_timestamp
from annotation.study.study import Study
from annotation.types import StudyChange


def load_changes(db: Database, study: str) -> list[StudyChange]:
    """What was changed of a study, oldest first."""
    rows = db.select("SELECT * FROM study_changes WHERE study = ? ORDER BY changed_at, position", [study])
    return [change_from_row(row) for row in rows]


def is_paused(db: Database, study: str) -> bool:
    """Whether an organiser paused a study and did not let it go on since, or deleted it."""
    query = (
        "SELECT action FROM study_changes WHERE study = ? AND action <> 'extended' "
        "ORDER BY changed_at DESC, position DESC LIMIT 1"
    )
    rows = db.select(query, [study])
    return bool(rows) and rows[0]["action"] != "resumed"


def deleted_studies(db: Database) -> set[str]:
    """The names of the studies that were deleted. They are not used again: links to the deleted study would count."""
    return {row["study"] for row in db.select("SELECT study FROM study_changes WHERE action = 'deleted'")}


def has_begun(db: Database, study: str) -> bool:
    """Whether anybody was ever given an item of a study or answered one, a practice item included."""
    tables = ("judgments", "given_items")
    query = f"SELECT {' OR '.join(f'EXISTS (SELECT 1 FROM {table} WHERE study = ?1)' for table in tables)}"
    return bool(db.select(query, [study])[0][0])


def deadline_of(db: Database, study: Study) -> datetime | None:
    """The deadline of a study as it is now: the newest extension, else the one that it was created with."""
    query = "SELECT max(ends_at) FROM study_changes WHERE study = ? AND action = 'extended'"
    extended = db.select(query, [study.name])[0][0]
    return datetime.fromisoformat(extended) if extended else study.settings.deadline


def is_past_deadline(db: Database, study: Study) -> bool:
    """Whether the deadline has passed. Nobody judges then; the study is over once that is recorded."""
    deadline = deadline_of(db, study)
    return deadline is not None and db.now() >= deadline


def time_of_next(db: Database, study: str) -> datetime:
    """Now, or just after the last change where a clock that was set back says otherwise: the newest change counts."""
    times = [change.changed_at for change in load_changes(db, study)]
    return max([db.now(), *(time + timedelta(microseconds=1) for time in times)])


def check_change(db: Database, study: Study, change: StudyChange) -> bool:
    """Whether a change changes anything. Raises JournalError for a deadline that is not later than before, and for the
    deletion of a study that has begun."""
    if study.name in deleted_studies(db):
        return False
    if change.action == "deleted":
        if has_begun(db, study.name):
            raise JournalError("Somebody has begun, so the study cannot be deleted any more. You can close it.")
        return True
    if change.action != "extended":
        return is_paused(db, study.name) != (change.action == "paused")
    deadline = deadline_of(db, study)
    if deadline is None or change.ends_at is None:
        raise JournalError("The study has no deadline, so there is nothing to extend.")
    if change.ends_at <= max(deadline, db.now()):
        raise JournalError(f"The deadline is {deadline:%Y-%m-%d %H:%M} (UTC); choose a later day.")
    return True


def insert_change(db: Database, row: StudyChange) -> int:
    """Adds a row inside a transaction; returns 0 if it was there before."""
    query = (
        "INSERT INTO study_changes (change_id, study, action, ends_at, organiser, changed_at) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    )
    ends_at = None if row.ends_at is None else utc_timestamp(row.ends_at)
    return db.execute(
        query, [row.change_id, row.study, row.action, ends_at, row.organiser, utc_timestamp(row.changed_at)]
    )


def change_from_row(row: Row) -> StudyChange:
    ends_at = row["ends_at"] and datetime.fromisoformat(row["ends_at"])
    changed_at = datetime.fromisoformat(row["changed_at"])
    return StudyChange(row["change_id"], row["study"], row["action"], ends_at, row["organiser"], changed_at)
