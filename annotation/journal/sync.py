"""Keeps journal and ledger in step: finds unpublished rows, and restores rows from the ledger.

Functions on the journal's database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal

from annotation.errors import DuplicateRowError, JournalError
from annotation.journal.assignments import NOT_WITHDRAWN_SQL
from annotation.journal.database import Database
from annotation.journal.endings import ending_from_row
from annotation.journal.rows import (
    JUDGMENT_COLUMNS_SQL,
    insert_judgment,
    insert_withdrawal,
    is_same_answer,
    judgment_from_row,
    stored_judgment_from_row,
)
from annotation.journal.study_changes import change_from_row, insert_change
from annotation.sqlite_file import Row, utc_timestamp
from annotation.types import Consent, Ending, LedgerRow, LedgerRows, Opening, StoredJudgment, Withdrawal

RowKind = Literal["judgment", "consent", "withdrawal", "opening", "ending", "change"]
CONSENT_ID_SQL = "pseudonym || ' ' || guidelines_version"
UNPUBLISHED_SQL: dict[RowKind, tuple[str, str, str]] = {  # table, id of a row in the ledger, further condition
    "judgment": ("judgments", "judgment_id", NOT_WITHDRAWN_SQL),
    "consent": ("annotators", CONSENT_ID_SQL, "pseudonym NOT IN (SELECT annotator FROM withdrawals)"),
    "withdrawal": ("withdrawals", "annotator", "TRUE"),
    "opening": ("openings", "study", "TRUE"),
    "ending": ("endings", "study", "TRUE"),
    "change": ("study_changes", "change_id", "TRUE"),
}
IDS_PER_QUERY = 500


def load_unpublished_rows(db: Database) -> LedgerRows:
    """See `Journal.unpublished_rows`."""
    judgments = tuple(map(stored_judgment_from_row, _select_unpublished(db, "judgment")))
    consents = tuple(  # read after the judgments, so that the consent of each judgment is here or in the ledger
        Consent(row["pseudonym"], datetime.fromisoformat(row["consented_at"]), row["guidelines_version"])
        for row in _select_unpublished(db, "consent")
    )
    openings = tuple(
        Opening(row["study"], row["organiser"], datetime.fromisoformat(row["opened_at"]))
        for row in _select_unpublished(db, "opening")
    )
    endings = tuple(map(ending_from_row, _select_unpublished(db, "ending")))
    changes = tuple(map(change_from_row, _select_unpublished(db, "change")))
    return LedgerRows(judgments, consents, load_unpublished_withdrawals(db), openings, endings, changes)


def load_unpublished_withdrawals(db: Database) -> tuple[Withdrawal, ...]:
    """See `Journal.unpublished_withdrawals`."""
    return tuple(
        Withdrawal(row["annotator"], datetime.fromisoformat(row["withdrawn_at"]))
        for row in _select_unpublished(db, "withdrawal")
    )


def _select_unpublished(db: Database, kind: RowKind) -> list[Row]:
    table, row_id, condition = UNPUBLISHED_SQL[kind]
    unknown = f"NOT EXISTS (SELECT 1 FROM published WHERE kind = '{kind}' AND row_id = {row_id})"
    return db.select(f"SELECT * FROM {table} WHERE {unknown} AND {condition} ORDER BY position")


def mark_published(db: Database, kind: RowKind, ids: Iterable[str], commit_id: str) -> None:
    """See `Journal.mark_published`."""
    with db.transaction("The journal could not record which rows are published: {reason}."):
        _insert_publication_marks(db, kind, ids, commit_id)


def _insert_publication_marks(db: Database, kind: RowKind, ids: Iterable[str], commit_id: str) -> None:
    query = "INSERT INTO published (kind, row_id, commit_id, published_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    for row_id in ids:
        db.execute(query, [kind, row_id, commit_id, utc_timestamp(db.now())])


def load_publication_commits(db: Database, judgment_ids: Sequence[str]) -> dict[str, str]:
    """See `Journal.publication_commits`."""
    query = "SELECT row_id, commit_id FROM published WHERE kind = 'judgment' AND row_id IN"
    return {row["row_id"]: row["commit_id"] for row in _select_in_parts(db, query, judgment_ids)}


def load_known_judgment_ids(db: Database, judgment_ids: Sequence[str]) -> set[str]:
    """See `Journal.known_judgment_ids`."""
    query = "SELECT judgment_id FROM judgments WHERE judgment_id IN"
    return {row["judgment_id"] for row in _select_in_parts(db, query, judgment_ids)}


def load_withdrawn_judgment_ids(db: Database, judgment_ids: Sequence[str]) -> set[str]:
    """See `Journal.withdrawn_judgment_ids`."""
    query = f"SELECT judgment_id FROM judgments WHERE NOT ({NOT_WITHDRAWN_SQL}) AND judgment_id IN"
    return {row["judgment_id"] for row in _select_in_parts(db, query, judgment_ids)}


def _select_in_parts(db: Database, query: str, ids: Sequence[str]) -> Iterator[Row]:
    """The rows of a query that ends with IN, for any number of ids: SQLite limits the parameters of one query."""
    for start in range(0, len(ids), IDS_PER_QUERY):
        part = ids[start : start + IDS_PER_QUERY]
        yield from db.select(f"{query} ({', '.join('?' * len(part))})", part)


def restore_rows(db: Database, rows: LedgerRows, commit_id: str) -> int:
    """See `Journal.restore`."""
    with db.transaction("The ledger's rows could not be restored: {reason}."):
        db.execute("PRAGMA defer_foreign_keys = ON")  # a judgment may come before the one that it supersedes
        restored = sum(insert_withdrawal(db, row) for row in rows.withdrawals)
        restored += sum(_restore_consent(db, row) for row in rows.consents)
        restored += sum(_restore_opening(db, row) for row in rows.openings)
        restored += sum(_restore_ending(db, row) for row in rows.endings)
        restored += sum(insert_change(db, row) for row in rows.changes)
        withdrawn = {row["annotator"] for row in db.select("SELECT annotator FROM withdrawals")}
        staying = [row for row in rows.judgments if row.judgment.annotator not in withdrawn]
        restored += sum(_restore_judgment(db, row) for row in staying)
        rows_by_kind: dict[RowKind, Sequence[LedgerRow]] = {
            "judgment": rows.judgments,
            "consent": rows.consents,
            "withdrawal": rows.withdrawals,
            "opening": rows.openings,
            "ending": rows.endings,
            "change": rows.changes,
        }
        for kind, published in rows_by_kind.items():
            ids = {row.row_id for row in published}
            _unmark_others(db, kind, ids)
            _insert_publication_marks(db, kind, ids, commit_id)
        return restored


def restore_withdrawals(db: Database, rows: Iterable[Withdrawal]) -> int:
    """See `Journal.restore_withdrawals`."""
    with db.transaction("The withdrawal was not stored: {reason}."):
        return sum(insert_withdrawal(db, row) for row in rows)


def _unmark_others(db: Database, kind: RowKind, ids: Collection[str]) -> None:
    """Rows that the ledger no longer contains count as unpublished: somebody may have emptied it."""
    marked = {row["row_id"] for row in db.select("SELECT row_id FROM published WHERE kind = ?", [kind])}
    for row_id in marked.difference(ids):
        db.execute("DELETE FROM published WHERE kind = ? AND row_id = ?", [kind, row_id])


def _restore_opening(db: Database, row: Opening) -> int:
    query = "INSERT INTO openings (study, organiser, opened_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    return db.execute(query, [row.study, row.organiser, utc_timestamp(row.opened_at)])


def _restore_ending(db: Database, row: Ending) -> int:
    query = "INSERT INTO endings (study, reason, ended_by, ended_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    return db.execute(query, [row.study, row.reason, row.ended_by, utc_timestamp(row.ended_at)])


def _restore_consent(db: Database, row: Consent) -> int:
    query = (
        "INSERT INTO annotators (pseudonym, consented_at, guidelines_version) VALUES (?, ?, ?) "
        "ON CONFLICT (pseudonym) DO UPDATE SET consented_at = excluded.consented_at, "
        "guidelines_version = excluded.guidelines_version WHERE consented_at < excluded.consented_at"
    )
    return db.execute(query, [row.annotator, utc_timestamp(row.consented_at), row.guidelines_version])


def _restore_judgment(db: Database, row: StoredJudgment) -> int:
    judgment = row.judgment
    known = db.select(f"SELECT {JUDGMENT_COLUMNS_SQL} FROM judgments WHERE judgment_id = ?", [judgment.judgment_id])
    if known and not is_same_answer(judgment_from_row(known[0]), judgment):
        raise JournalError(
            f"The judgment {judgment.judgment_id} in the ledger differs from that in the journal {db.path}; move the "
            "journal away and start again to take the ledger's."
        )
    if known:
        return 0
    try:
        return insert_judgment(db, judgment, row.stored_at)
    except DuplicateRowError as error:
        raise JournalError(
            f"The judgment {judgment.judgment_id} in the ledger is of an item to which the journal {db.path} has "
            "another answer by the same annotator; move the journal away and start again to take the ledger's."
        ) from error
