"""The people in a study: who was let in by an invitation, the names that they gave, which end they were shown.

Names are encrypted with the pseudonym key. Both go when somebody withdraws. Functions on the journal's database.
"""

from __future__ import annotations

from annotation.identity.seals import seal_text, unseal_text
from annotation.journal.database import Database
from annotation.journal.rows import NOT_SUPERSEDED_SQL
from annotation.sqlite_file import utc_timestamp


def join_study(db: Database, study: str, annotator: str) -> None:
    """Records that a person came in by an invitation. Repeating it changes nothing."""
    query = "INSERT INTO members (study, annotator, joined_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    with db.transaction("You could not be let in: {reason}."):
        db.execute(query, [study, annotator, utc_timestamp(db.now())])


def is_member(db: Database, study: str, annotator: str) -> bool:
    """Whether a person came into a study by an invitation."""
    return bool(db.select("SELECT 1 FROM members WHERE study = ? AND annotator = ?", [study, annotator]))


def record_name(db: Database, pseudonym: str, name: str, key: bytes) -> None:
    """Keeps the name that somebody gave, in place of an earlier spelling."""
    if load_names(db, key).get(pseudonym) == name:
        return
    query = "INSERT INTO names (pseudonym, sealed_name) VALUES (?, ?) ON CONFLICT DO UPDATE SET sealed_name = ?2"
    with db.transaction("Your name was not stored: {reason}."):
        db.execute(query, [pseudonym, seal_text(name, key)])


def load_names(db: Database, key: bytes) -> dict[str, str]:
    """The names that people gave, by pseudonym; without those that another key encrypted."""
    rows = db.select("SELECT pseudonym, sealed_name FROM names")
    names = {row["pseudonym"]: unseal_text(row["sealed_name"], key) for row in rows}
    return {pseudonym: name for pseudonym, name in names.items() if name is not None}


def record_outcome(db: Database, study: str, annotator: str, outcome: str) -> None:
    """Records the end of a study that somebody is shown; the newest counts."""
    if load_outcomes(db, study).get(annotator) == outcome:
        return
    query = (
        "INSERT INTO outcomes (study, annotator, outcome, shown_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET outcome = ?3, shown_at = ?4"
    )
    with db.transaction("The end could not be recorded: {reason}."):
        db.execute(query, [study, annotator, outcome, utc_timestamp(db.now())])


def load_outcomes(db: Database, study: str) -> dict[str, str]:
    """The end that each person was shown, by pseudonym."""
    rows = db.select("SELECT annotator, outcome FROM outcomes WHERE study = ?", [study])
    return {row["annotator"]: row["outcome"] for row in rows}


def answer_seconds(db: Database, study: str, annotator: str) -> list[float]:
    """The seconds of each current answer of a person to the items of a study, practice left out."""
    query = (
        "SELECT json_group_array(seconds) FROM judgments WHERE study = ? AND annotator = ? "
        f"AND item_kind NOT IN ('practice', 'adjudication') AND {NOT_SUPERSEDED_SQL}"
    )
    seconds: list[float] = db.select_json(query, [study, annotator])
    return seconds
