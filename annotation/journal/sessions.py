"""Who was the first with a name, how many personal links they were given, and sessions that were ended.

Functions on the journal's database.
"""

from __future__ import annotations

from datetime import timedelta

from annotation.identity.tokens import SESSION_DAYS
from annotation.journal.database import Database
from annotation.sqlite_file import utc_timestamp


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


def is_known(db: Database, pseudonym: str) -> bool:
    """See `Journal.is_known`."""
    query = "SELECT 1 FROM annotators WHERE pseudonym = ?1 UNION SELECT 1 FROM withdrawals WHERE annotator = ?1"
    return bool(db.select(query, [pseudonym]))


def claim_name(db: Database, pseudonym: str, session_id: str) -> bool:
    """Makes a session the first one of a new person; False if another session was. Runs inside a transaction.

    The same session may come again: a browser that got no answer repeats its request.
    """
    if is_known(db, pseudonym):
        query = "SELECT 1 FROM personal_links WHERE pseudonym = ? AND first_session = ?"
        return bool(db.select(query, [pseudonym, session_id]))
    query = "INSERT INTO personal_links (pseudonym, number, first_session) VALUES (?, 0, ?)"
    db.execute(query, [pseudonym, session_id])
    return True


def personal_link_number(db: Database, pseudonym: str) -> int:
    """See `Journal.personal_link_number`."""
    rows = db.select("SELECT number FROM personal_links WHERE pseudonym = ?", [pseudonym])
    return int(rows[0]["number"]) if rows else 0


def replace_personal_link(db: Database, pseudonym: str) -> int:
    """See `Journal.replace_personal_link`."""
    query = (
        "INSERT INTO personal_links (pseudonym, number) VALUES (?, 1) "
        "ON CONFLICT (pseudonym) DO UPDATE SET number = number + 1, first_session = NULL"
    )
    with db.transaction("The link was not replaced: {reason}."):
        db.execute(query, [pseudonym])
        return personal_link_number(db, pseudonym)
