"""Judgments in a SQLite file, safe on disk before anybody is told so. Rows are only ever added.

One connection behind one lock serves all threads of a process: SQLite takes one writer at a time anyway, reads
take less than a millisecond, and threads that come and go leave no connection behind. Other processes wait for
each other inside SQLite. What must hold whatever the code does is held by the database: the append-only
triggers, the unique indexes, the foreign keys.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from types import TracebackType

from annotation.form import Answers, problems
from annotation.migrations import APPLICATION_ID, MIGRATIONS
from annotation.types import ITEM_COLUMNS, JUDGMENT_COLUMNS, Annotator, Item, Judgment, Receipt
from maps.types import MapsError

COLUMNS = ", ".join(JUDGMENT_COLUMNS)
NOT_SUPERSEDED = "NOT EXISTS (SELECT 1 FROM judgments AS later WHERE later.supersedes = judgments.judgment_id)"
WAIT_SECONDS = 10.0

REASONS = {
    "SQLITE_FULL": "the disk is full; free some space and send it again",
    "SQLITE_IOERR": "the disk did not take it (full or broken?); free some space and send it again",
    "SQLITE_READONLY": "the file or its folder is read-only; make both writable",
    "SQLITE_CANTOPEN": "it cannot be opened; its folder must exist and be writable",
    "SQLITE_BUSY": "another process holds it; try again in a moment",
    "SQLITE_NOTADB": "the file is no journal; name another one or move it away",
    "SQLITE_CORRUPT": "the file is damaged; keep a copy and restore it from an export",
}


class JournalError(MapsError):
    """A judgment that could not be kept, or a journal that could not be opened: one plain sentence."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise JournalError(f"The time {moment.isoformat()} has no time zone, so it is not stored.")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _values(judgment: Judgment) -> list[str | int | float | None]:
    cells = (getattr(judgment, name) for name in JUDGMENT_COLUMNS)
    return [_text(cell) if isinstance(cell, datetime) else cell for cell in cells]


def _judgment(row: sqlite3.Row) -> Judgment:
    cells = {name: row[name] for name in JUDGMENT_COLUMNS}
    for name in ("started_at", "submitted_at"):
        cells[name] = datetime.fromisoformat(cells[name])
    return Judgment(**cells)


def _same(earlier: Judgment, later: Judgment) -> bool:
    """Whether two rows are the same answers of one person to one item; a retry may differ in its times."""

    def content(row: Judgment) -> tuple[object, ...]:
        return (row.item, row.annotator, row.presence, row.precision, row.category, row.comment)

    return content(earlier) == content(later)


class Journal:
    """The judgments, and who agreed to the consent sentence, in one SQLite file.

    `now` is the clock. Every method raises JournalError, whose message is one plain sentence. Methods may be
    called from any thread, and several processes may have the file open.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = _utc_now) -> None:
        self.path = path
        self._now = now
        self._lock = RLock()
        with self._explained("The journal {path} cannot be used: {reason}."):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        """Durability settings, then the migrations that this file has not seen, each in one transaction."""
        self._db.row_factory = sqlite3.Row
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and self._db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise JournalError(f"The database {self.path} is no journal; name another file or move it away.")
        if (damage := self._db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise JournalError(f"The journal {self.path} is damaged ({damage}); put a sound copy in its place.")
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        with self._transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise JournalError(
                    f"The journal {self.path} was written by a newer release (version {version} of the tables, "
                    f"this one knows {len(MIGRATIONS)}); update the project."
                )
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    @contextmanager
    def _explained(self, sentence: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorname", "")
            known = (reason for prefix, reason in REASONS.items() if code.startswith(prefix))
            raise JournalError(sentence.format(path=self.path, reason=next(known, str(error)))) from error
        except OSError as error:
            raise JournalError(sentence.format(path=self.path, reason=error.strerror or error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One writer at a time, in this process and others; on disk when it ends, undone where it fails."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _select(self, query: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        with self._explained("The journal {path} cannot be read: {reason}."), self._lock:
            return self._db.execute(query, values).fetchall()

    def consent(self, pseudonym: str, name: str | None, guidelines_version: str) -> None:
        """Notes that this person agreed to the consent sentence; needed before the first judgment.

        The first consent under the same guidelines keeps its time.
        """
        query = (
            "INSERT INTO annotators (pseudonym, name, consented_at, guidelines_version) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (pseudonym) DO UPDATE SET consented_at = excluded.consented_at, name = excluded.name, "
            "guidelines_version = excluded.guidelines_version "
            "WHERE guidelines_version <> excluded.guidelines_version"
        )
        with self._explained("Your consent was not stored: {reason}."), self._transaction():
            self._db.execute(query, (pseudonym, name, _text(self._now()), guidelines_version))

    def record(self, judgment: Judgment) -> Receipt:
        """Stores a judgment and returns its receipt once it is on disk.

        The same id again, by the same annotator with the same answers, stores nothing and returns the first
        receipt with `duplicate`. Raises JournalError where the answers are incomplete, the annotator has not
        consented, the id belongs to another judgment, the item is answered already without `supersedes` naming
        the current answer, or the disk does not take it.
        """
        answers = Answers(judgment.presence, judgment.precision, judgment.category, judgment.comment)
        if found := problems(answers):
            raise JournalError(" ".join(found))
        try:
            with self._explained("Your answer was not stored: {reason}."), self._transaction():
                return self._repeated(judgment) or self._added(judgment)
        except UnicodeEncodeError as error:
            raise JournalError("Your answer was not stored: it holds characters that are no text.") from error

    def _found(self, judgment_id: str) -> sqlite3.Row | None:
        query = f"SELECT stored_at, {COLUMNS} FROM judgments WHERE judgment_id = ?"
        row: sqlite3.Row | None = self._db.execute(query, (judgment_id,)).fetchone()
        return row

    def _repeated(self, judgment: Judgment) -> Receipt | None:
        row = self._found(judgment.judgment_id)
        if row is None:
            return None
        if not _same(_judgment(row), judgment):
            raise JournalError("Not stored: this item was answered before, perhaps in another tab. Reload the page.")
        return Receipt(judgment.judgment_id, datetime.fromisoformat(row["stored_at"]), duplicate=True)

    def _added(self, judgment: Judgment) -> Receipt:
        if judgment.supersedes is not None:
            row = self._found(judgment.supersedes)
            earlier = None if row is None else _judgment(row)
            if earlier is None or (earlier.item, earlier.annotator) != (judgment.item, judgment.annotator):
                raise JournalError("Your answer was not stored: it would replace an answer to something else.")
        query = "SELECT 1 FROM annotators WHERE pseudonym = ?"
        if self._db.execute(query, (judgment.annotator,)).fetchone() is None:
            raise JournalError("Please agree to what is stored before you answer.")
        stored_at = self._now()
        marks = ", ".join("?" * (len(JUDGMENT_COLUMNS) + 1))
        try:
            self._db.execute(
                f"INSERT INTO judgments (stored_at, {COLUMNS}) VALUES ({marks})",
                [_text(stored_at), *_values(judgment)],
            )
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorname != "SQLITE_CONSTRAINT_UNIQUE":
                raise
            raise JournalError("You have answered this item already; open it again to change your answer.") from error
        return Receipt(judgment.judgment_id, stored_at, duplicate=False)

    def current(self, study: str, annotator: str | None = None, item: Item | None = None) -> list[Judgment]:
        """The judgments of a study that no later one supersedes, in the order of storing."""
        query = f"SELECT {COLUMNS} FROM judgments WHERE study = ? AND {NOT_SUPERSEDED}"
        values: tuple[object, ...] = (study,)
        if annotator is not None:
            query, values = f"{query} AND annotator = ?", (*values, annotator)
        if item is not None:
            query += "".join(f" AND {name} = ?" for name in ITEM_COLUMNS)
            values += tuple(getattr(item, name) for name in ITEM_COLUMNS)
        return [_judgment(row) for row in self._select(f"{query} ORDER BY position", values)]

    def rows(self, study: str | None = None) -> list[Judgment]:
        """All judgments ever stored, the superseded ones too, in the order of storing."""
        query = f"SELECT {COLUMNS} FROM judgments WHERE ?1 IS NULL OR study = ?1 ORDER BY position"
        return [_judgment(row) for row in self._select(query, (study,))]

    def annotators(self) -> list[Annotator]:
        """Everyone who consented, in the order of their first consent."""
        rows = self._select("SELECT * FROM annotators ORDER BY position")
        return [
            Annotator(
                row["pseudonym"],
                row["name"],
                datetime.fromisoformat(row["consented_at"]),
                row["guidelines_version"],
            )
            for row in rows
        ]

    def close(self) -> None:
        """Closes the file; the journal cannot be used afterwards."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()
