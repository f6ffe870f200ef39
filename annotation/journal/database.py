"""The journal's file: its tables, and a clock for deadlines that nobody can set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import monotonic

from annotation.errors import JournalError
from annotation.journal.assignments import Assignments
from annotation.journal.deadlines import DeadlineWatch
from annotation.journal.migrations import APPLICATION_ID, MIGRATIONS
from annotation.sqlite_file import Schema, SqliteFile, utc_now


class Database(SqliteFile):
    """The file. Every method may raise JournalError. `seconds` is a clock that nobody can set."""

    schema = Schema("journal", APPLICATION_ID, MIGRATIONS, JournalError)

    def __init__(
        self, path: Path, now: Callable[[], datetime] = utc_now, seconds: Callable[[], float] = monotonic
    ) -> None:
        self.deadlines = DeadlineWatch(seconds)
        self.assignments = Assignments(self.select)
        super().__init__(path, now)
