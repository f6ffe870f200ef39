"""One SQLite file behind one lock: durability, migrations, transactions, and error messages.

One connection serves all threads of a process. SQLite allows one writer at a time anyway, reads take less than a
millisecond, and threads that end leave no connection behind. Between processes SQLite does the locking.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from time import monotonic, sleep
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Self

from annotation.errors import DuplicateRowError, JournalError
from annotation.shared_flush import SharedFlush
from maps.errors import MapsError

LOCK_WAIT_SECONDS = 10.0
OWNER_ONLY_MODE = 0o600  # names and pseudonyms stand side by side in the file
UNIQUE_VIOLATION = "SQLITE_CONSTRAINT_UNIQUE"

ERROR_REASONS = {
    "SQLITE_FULL": "the disk is full; free some space and try again",
    "SQLITE_IOERR": "writing to the disk failed (is it full or broken?); free some space and try again",
    "SQLITE_READONLY": "the file or its folder is read-only; make both writable",
    "SQLITE_CANTOPEN": "it cannot be opened; make sure that its folder exists and is writable",
    "SQLITE_BUSY": "another process is using it; try again in a moment",
    "SQLITE_NOTADB": "the file is not a {name}; choose another file or move it away",
    "SQLITE_CORRUPT": "the file is damaged; keep a copy of it and put a backup in its place",
}

Row = sqlite3.Row


def utc_now() -> datetime:
    return datetime.now(UTC)


def utc_timestamp(moment: datetime) -> str:
    """A time as stored in the tables: in UTC with microseconds, so that it sorts as text. It needs a time zone."""
    if moment.tzinfo is None:
        raise JournalError(f"The time {moment.isoformat()} has no time zone, so it is not stored.")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class Schema(NamedTuple):
    """What a file contains: its name in error messages, the id in its header, its tables, and the class of its errors.

    The tables are numbered migrations. Never edit one that was released: append another one.
    """

    name: str
    application_id: int
    migrations: tuple[tuple[str, ...], ...]
    error: type[MapsError]


class SqliteFile:
    """A database file, readable by its owner only. Every method may raise the error of the `schema`.

    `now` is the clock. Any thread may call the methods, and several processes may open the file.
    """

    schema: ClassVar[Schema]

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now) -> None:
        self.path = path
        self.now = now
        self._lock = RLock()
        self._flush: SharedFlush | None = None
        with self.explain_errors(f"The {self.schema.name} {{path}} cannot be used: {{reason}}."):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self) -> None:
        """Checks the file, sets durability, and runs the migrations that the file has not seen, in one transaction."""
        self._connection.row_factory = sqlite3.Row
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        name, application_id, migrations, error = self.schema
        if tables and self._connection.execute("PRAGMA application_id").fetchone()[0] != application_id:
            raise error(f"The database {self.path} is not a {name}; choose another file or move it away.")
        if (damage := self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise error(f"The {name} {self.path} is damaged ({damage}); replace it with an intact copy.")
        self._close_to_others()
        has_log = self._enable_write_ahead_log()
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        with self._locked_transaction():
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(migrations):
                raise error(
                    f"The {name} {self.path} was written by a newer release (tables of version {version}, this "
                    f"release knows {len(migrations)}); update the project."
                )
            for statements in migrations[version:]:
                for statement in statements:
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {application_id}")
            self._connection.execute(f"PRAGMA user_version = {len(migrations)}")
        if has_log:  # not on every network drive: there SQLite goes on flushing at each commit
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._flush = SharedFlush(self.path.with_name(f"{self.path.name}-wal"))

    def _close_to_others(self) -> None:
        """Makes the file its owner's alone. A new one is still empty; what SQLite makes next to it gets its mode."""
        for suffix in ("", "-wal", "-shm"):
            path = self.path.with_name(self.path.name + suffix)
            if path.exists() and path.stat().st_mode & 0o077:
                path.chmod(OWNER_ONLY_MODE)

    def _enable_write_ahead_log(self) -> bool:
        """Turns on write-ahead logging, and says whether the file's drive has it.

        If another process does the same for a new file, SQLite fails; this waits.
        """
        until = monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                return self._connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal"
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or monotonic() > until:
                    raise
            sleep(0.01)

    @contextmanager
    def explain_errors(self, error_sentence: str) -> Iterator[None]:
        """Turns database errors into the schema's error with `error_sentence`, its {path} and {reason} filled in."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorname", "")
            reason = next((text for prefix, text in ERROR_REASONS.items() if code.startswith(prefix)), str(error))
            reason = reason.replace("{name}", self.schema.name)
            raise self.schema.error(error_sentence.format(path=self.path, reason=reason)) from error
        except OSError as error:
            raise self.schema.error(error_sentence.format(path=self.path, reason=error.strerror or error)) from error

    @contextmanager
    def _locked_transaction(self) -> Iterator[None]:
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
        """One writer at a time, in this and other processes. On disk when the block ends; undone if it fails.

        SQLite's own `synchronous=FULL` would flush the log at each commit, while all others wait. Here the commits of
        several threads share a flush of the same file.
        """
        with self.explain_errors(error_sentence):
            with self._locked_transaction():
                yield
            if self._flush is not None:
                self._flush.wait()

    def execute(self, query: str, values: Iterable[object] = ()) -> int:
        """Writes inside a transaction; returns how many rows changed. DuplicateRowError if a row must be unique."""
        try:
            return self._connection.execute(query, tuple(values)).rowcount
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorname != UNIQUE_VIOLATION:
                raise
            raise DuplicateRowError(f"Not stored: the {self.schema.name} already contains this row.") from error

    def select(self, query: str, values: Iterable[object] = ()) -> list[Row]:
        """Reads, inside or outside a transaction."""
        with self.explain_errors(f"The {self.schema.name} {{path}} cannot be read: {{reason}}."), self._lock:
            return self._connection.execute(query, tuple(values)).fetchall()

    def select_json(self, query: str, values: Iterable[object] = ()) -> Any:
        """The one value that a query gives, parsed: many rows read as one, such as by `json_group_array`.

        sqlite3 lets other threads run at each row, which makes many rows slow where a crowd is at work.
        """
        return json.loads(self.select(query, values)[0][0])

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        """Only the path is pickled: whoever unpickles it opens the same file, with the system's clock."""
        return type(self), (self.path,)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()
