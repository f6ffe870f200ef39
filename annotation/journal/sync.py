"""What the ledger needs of the journal: the rows that it does not hold yet, and rows from it put back.

Functions over the journal's database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Literal

from annotation.errors import DuplicateRowError, JournalError
from annotation.journal.database import Database, utc_timestamp
from annotation.journal.reservations import NOT_WITHDRAWN_SQL
from annotation.journal.rows import (
    JUDGMENT_COLUMNS_SQL,
    insert_judgment,
    is_same_answer,
    judgment_from_row,
    stored_judgment_from_row,
)
from annotation.types import Consent, LedgerRows, Opening, StoredJudgment, Withdrawal

RowKind = Literal["judgment", "consent", "withdrawal", "opening"]
CONSENT_ID_SQL = "pseudonym || ' ' || guidelines_version"
IDS_PER_QUERY = 500  # ids a query


def load_unpublished_rows(db: Database) -> LedgerRows:
    """The rows that no commit holds; see Journal.unpublished."""
    unknown = "NOT EXISTS (SELECT 1 FROM published WHERE kind = '{}' AND row_id = {})"
    judgments = (
        f"SELECT stored_at, {JUDGMENT_COLUMNS_SQL} FROM judgments WHERE {unknown.format('judgment', 'judgment_id')}"
    )
    staying = "pseudonym NOT IN (SELECT annotator FROM withdrawals)"
    consents = (
        f"SELECT * FROM annotators WHERE {unknown.format('consent', CONSENT_ID_SQL)} AND {staying} ORDER BY position"
    )
    withdrawals = f"SELECT * FROM withdrawals WHERE {unknown.format('withdrawal', 'annotator')} ORDER BY position"
    judged = tuple(map(stored_judgment_from_row, db.select(f"{judgments} AND {NOT_WITHDRAWN_SQL} ORDER BY position")))
    consented = tuple(  # read after the judgments, so that each of them has its consent here or in the ledger
        Consent(row["pseudonym"], datetime.fromisoformat(row["consented_at"]), row["guidelines_version"])
        for row in db.select(consents)
    )
    withdrawn = tuple(
        Withdrawal(row["annotator"], datetime.fromisoformat(row["withdrawn_at"])) for row in db.select(withdrawals)
    )
    openings = f"SELECT * FROM openings WHERE {unknown.format('opening', 'study')} ORDER BY position"
    opened = tuple(
        Opening(row["study"], row["organiser"], datetime.fromisoformat(row["opened_at"])) for row in db.select(openings)
    )
    return LedgerRows(judged, consented, withdrawn, opened)


def mark_published(db: Database, kind: RowKind, ids: Iterable[str], commit_id: str) -> None:
    """Notes that a commit of the ledger holds these rows; the first commit that is noted stays."""
    with db.transaction("It could not be noted what is published: {reason}."):
        _insert_publication_marks(db, kind, ids, commit_id)


def _insert_publication_marks(db: Database, kind: RowKind, ids: Iterable[str], commit_id: str) -> None:
    query = "INSERT INTO published (kind, row_id, commit_id, published_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    for row_id in ids:
        db.execute(query, [kind, row_id, commit_id, utc_timestamp(db.now())])


def load_publication_commits(db: Database, judgment_ids: Sequence[str]) -> dict[str, str]:
    """The commit of each of these judgments that is published."""
    found: dict[str, str] = {}
    for start in range(0, len(judgment_ids), IDS_PER_QUERY):
        part = judgment_ids[start : start + IDS_PER_QUERY]
        marks = ", ".join("?" * len(part))
        query = f"SELECT row_id, commit_id FROM published WHERE kind = 'judgment' AND row_id IN ({marks})"
        found |= {row["row_id"]: row["commit_id"] for row in db.select(query, part)}
    return found


def load_known_judgment_ids(db: Database, judgment_ids: Sequence[str]) -> set[str]:
    """Those of these judgments that the journal holds."""
    found: set[str] = set()
    for start in range(0, len(judgment_ids), IDS_PER_QUERY):
        part = judgment_ids[start : start + IDS_PER_QUERY]
        marks = ", ".join("?" * len(part))
        query = f"SELECT judgment_id FROM judgments WHERE judgment_id IN ({marks})"
        found |= {row["judgment_id"] for row in db.select(query, part)}
    return found


def restore_rows(db: Database, rows: LedgerRows, commit_id: str) -> int:
    """Puts the ledger's rows back; see Journal.restore."""
    with db.transaction("The ledger's rows could not be put back: {reason}."):
        db.execute("PRAGMA defer_foreign_keys = ON")  # an answer may come before the one that it replaces
        new = sum(_restore_withdrawal(db, row) for row in rows.withdrawals)
        new += sum(_restore_consent(db, row) for row in rows.consents)
        new += sum(_restore_opening(db, row) for row in rows.openings)
        gone = {row["annotator"] for row in db.select("SELECT annotator FROM withdrawals")}
        staying = [row for row in rows.judgments if row.judgment.annotator not in gone]
        new += sum(_restore_judgment(db, row) for row in staying)
        held: dict[RowKind, set[str]] = {
            "judgment": {row.row_id for row in rows.judgments},
            "consent": {row.row_id for row in rows.consents},
            "withdrawal": {row.row_id for row in rows.withdrawals},
            "opening": {row.row_id for row in rows.openings},
        }
        for kind, ids in held.items():
            _unmark_others(db, kind, ids)
            _insert_publication_marks(db, kind, ids, commit_id)
        return new


def _unmark_others(db: Database, kind: RowKind, held: Collection[str]) -> None:
    """What the ledger held once and holds no longer counts as unpublished: somebody may have emptied it."""
    marked = {row["row_id"] for row in db.select("SELECT row_id FROM published WHERE kind = ?", [kind])}
    for row_id in marked.difference(held):
        db.execute("DELETE FROM published WHERE kind = ? AND row_id = ?", [kind, row_id])


def _restore_withdrawal(db: Database, row: Withdrawal) -> int:
    query = "INSERT INTO withdrawals (annotator, withdrawn_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
    return db.execute(query, [row.annotator, utc_timestamp(row.withdrawn_at)])


def _restore_opening(db: Database, row: Opening) -> int:
    query = "INSERT INTO openings (study, organiser, opened_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    return db.execute(query, [row.study, row.organiser, utc_timestamp(row.opened_at)])


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
        raise JournalError(f"The ledger holds another judgment {judgment.judgment_id} than the journal {db.path}.")
    if known:
        return 0
    try:
        return insert_judgment(db, judgment, row.stored_at)
    except DuplicateRowError as error:
        raise JournalError(
            f"The ledger's judgment {judgment.judgment_id} answers an item that the journal {db.path} has another "
            "answer to by the same annotator; move the journal away and start again to take the ledger's."
        ) from error
