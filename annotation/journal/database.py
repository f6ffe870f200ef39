"""One SQLite file behind one lock: durability, migrations, transactions, and its troubles in words.

One connection serves all threads of a process: SQLite takes one writer at a time anyway, reads take less than a
millisecond, and threads that come and go leave no connection behind. Other processes wait for each other inside SQLite.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from annotation.errors import DuplicateRowError, JournalError
from annotation.journal.migrations import APPLICATION_ID, MIGRATIONS

LOCK_WAIT_SECONDS = 10.0
UNIQUE_VIOLATION = "SQLITE_CONSTRAINT_UNIQUE"

ERROR_REASONS = {
    "SQLITE_FULL": "the disk is full; free some space and send it again",
    "SQLITE_IOERR": "the disk did not take it (full or broken?); free some space and send it again",
    "SQLITE_READONLY": "the file or its folder is read-only; make both writable",
    "SQLITE_CANTOPEN": "it cannot be opened; its folder must exist and be writable",
    "SQLITE_BUSY": "another process holds it; try again in a moment",
    "SQLITE_NOTADB": "the file is no journal; name another one or move it away",
    "SQLITE_CORRUPT": "the file is damaged; keep a copy and restore it from an export",
}

Row = sqlite3.Row


def utc_now() -> datetime:
    """The clock on the wall."""
    return datetime.now(UTC)


def utc_timestamp(moment: datetime) -> str:
    """A time as the tables hold it: in UTC, to the microsecond, so that text sorts as time. Needs a time zone."""
    if moment.tzinfo is None:
        raise JournalError(f"The time {moment.isoformat()} has no time zone, so it is not stored.")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class Database:
    """The journal's file. `now` is the clock. Every method raises JournalError, whose message is one plain sentence.

    Methods may be called from any thread, and several processes may have the file open.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now) -> None:
        self.path = path
        self.now = now
        self._lock = RLock()
        with self.explain_errors("The journal {path} cannot be used: {reason}."):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        """Durability settings, then the migrations that this file has not seen, in one transaction."""
        self._connection.row_factory = sqlite3.Row
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and self._connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise JournalError(f"The database {self.path} is no journal; name another file or move it away.")
        if (damage := self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise JournalError(f"The journal {self.path} is damaged ({damage}); put a sound copy in its place.")
        self._enable_write_ahead_log()
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        with self._write_transaction():
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise JournalError(
                    f"The journal {self.path} was written by a newer release (version {version} of the tables, "
                    f"this one knows {len(MIGRATIONS)}); update the project."
                )
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _enable_write_ahead_log(self) -> None:
        """Write-ahead logging. SQLite itself does not wait where another process turns it on for the same new file."""
        until = monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or monotonic() > until:
                    raise
            sleep(0.01)

    @contextmanager
    def explain_errors(self, error_sentence: str) -> Iterator[None]:
        """Turns the database's errors into `error_sentence`, with its {path} and {reason} filled in."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorname", "")
            known = (reason for prefix, reason in ERROR_REASONS.items() if code.startswith(prefix))
            raise JournalError(error_sentence.format(path=self.path, reason=next(known, str(error)))) from error
        except OSError as error:
            raise JournalError(error_sentence.format(path=self.path, reason=error.strerror or error)) from error

    @contextmanager
    def _write_transaction(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def transaction(self, error_sentence: str) -> Iterator[None]:
        """One writer at a time, in this process and others; on disk when it ends, undone where it fails."""
        with self.explain_errors(error_sentence), self._write_transaction():
            yield

    def execute(self, query: str, values: Iterable[object] = ()) -> int:
        """Writes inside a transaction; returns how many rows changed. Raises TwiceError where one must be unique."""
        try:
            return self._connection.execute(query, tuple(values)).rowcount
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorname != UNIQUE_VIOLATION:
                raise
            raise DuplicateRowError("Not stored: the journal holds such a row already.") from error

    def select(self, query: str, values: Iterable[object] = ()) -> list[Row]:
        """Reads, inside a transaction or outside."""
        with self.explain_errors("The journal {path} cannot be read: {reason}."), self._lock:
            return self._connection.execute(query, tuple(values)).fetchall()

    def close(self) -> None:
        """Closes the file; the journal cannot be used afterwards."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()
