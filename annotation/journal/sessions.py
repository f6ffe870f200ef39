"""Sessions that were ended, and how many personal links a person was given. Functions on the journal's database."""

from __future__ import annotations

from datetime import timedelta

from annotation.identity.tokens import SESSION_DAYS
from annotation.journal.database import Database, utc_timestamp


def end_session(db: Database, session_id: str) -> None:
    """See `Journal.end_session`."""
    with db.transaction("You are not signed out: {reason}."):
        now = db.now()
        expired = utc_timestamp(now - timedelta(days=SESSION_DAYS + 1))  # their tokens count for nothing any more
        db.execute("DELETE FROM ended_sessions WHERE ended_at < ?", [expired])
        query = "INSERT INTO ended_sessions (session_id, ended_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
        db.execute(query, [session_id, utc_timestamp(now)])


def is_session_ended(db: Database, session_id: str) -> bool:
    """See `Journal.is_session_ended`."""
    return bool(db.select("SELECT 1 FROM ended_sessions WHERE session_id = ?", [session_id]))


def personal_link_number(db: Database, pseudonym: str) -> int:
    """See `Journal.personal_link_number`."""
    rows = db.select("SELECT number FROM personal_links WHERE pseudonym = ?", [pseudonym])
    return int(rows[0]["number"]) if rows else 0


def replace_personal_link(db: Database, pseudonym: str) -> int:
    """See `Journal.replace_personal_link`."""
    query = (
        "INSERT INTO personal_links (pseudonym, number) VALUES (?, 1) "
        "ON CONFLICT (pseudonym) DO UPDATE SET number = number + 1"
    )
    with db.transaction("The link was not replaced: {reason}."):
        db.execute(query, [pseudonym])
        return personal_link_number(db, pseudonym)
