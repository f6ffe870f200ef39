"""The jobs of the app in one SQLite file, so that an app that was killed finds them again."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from annotation.sqlite_file import Row, Schema, SqliteFile, utc_timestamp
from space.jobs.job import Job, JobError, JobRequest, State, Step

APPLICATION_ID = 0x4D41504A  # "MAPJ"
MIGRATIONS = (
    (
        """
        CREATE TABLE jobs (
            job_id INTEGER PRIMARY KEY AUTOINCREMENT,
            title TEXT NOT NULL CHECK (title <> ''),
            folder TEXT NOT NULL,
            steps TEXT NOT NULL,
            finished_steps INTEGER NOT NULL DEFAULT 0,
            state TEXT NOT NULL,
            message TEXT NOT NULL DEFAULT '',
            key_name TEXT NOT NULL DEFAULT '',
            created_by TEXT NOT NULL,
            created_at TEXT NOT NULL,
            started_at TEXT,
            ended_at TEXT
        )
        """,
    ),
)
COLUMNS = (
    *("job_id", "title", "folder", "steps", "finished_steps", "state", "message", "key_name", "created_by"),
    *("created_at", "started_at", "ended_at"),
)


class JobStore(SqliteFile):
    """The list of jobs, oldest first. Every method may raise JobError."""

    schema = Schema("list of jobs", APPLICATION_ID, MIGRATIONS, JobError)

    def add(self, request: JobRequest) -> Job:
        """Stores a new job, which is queued."""
        steps = json.dumps([asdict(step) for step in request.steps])
        key_name = next(iter(request.keys), "")
        query = (
            "INSERT INTO jobs (title, folder, steps, state, key_name, created_by, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        now = utc_timestamp(self.now())
        values = (request.title, request.folder, steps, State.QUEUED.value, key_name, request.created_by, now)
        with self.transaction("The job was not stored: {reason}."):
            self.execute(query, values)
            return self.all_jobs()[-1]

    def all_jobs(self) -> list[Job]:
        return [job_from_row(row) for row in self.select("SELECT * FROM jobs ORDER BY job_id")]

    def rows(self) -> list[dict[str, Any]]:
        """All jobs as they are stored, to be kept elsewhere."""
        return [dict(row) for row in self.select("SELECT * FROM jobs ORDER BY job_id")]

    def restore(self, rows: list[dict[str, Any]]) -> None:
        """Stores jobs that were kept elsewhere, into an empty list; raises JobError if a row is not one."""
        columns = ", ".join(COLUMNS)
        marks = ", ".join("?" * len(COLUMNS))
        try:
            values = [tuple(row[column] for column in COLUMNS) for row in rows]
        except (KeyError, TypeError) as error:
            raise JobError(f"The list of jobs that was kept is damaged: {error} is missing.") from error
        with self.transaction("The jobs were not restored: {reason}."):
            for row in values:
                self.execute(f"INSERT INTO jobs ({columns}) VALUES ({marks})", row)

    def job(self, job_id: int) -> Job:
        rows = self.select("SELECT * FROM jobs WHERE job_id = ?", (job_id,))
        if not rows:
            raise JobError(f"There is no job {job_id}. Reload the page.")
        return job_from_row(rows[0])

    def first(self, state: State) -> Job | None:
        """The oldest job in this state."""
        rows = self.select("SELECT * FROM jobs WHERE state = ? ORDER BY job_id LIMIT 1", (state.value,))
        return job_from_row(rows[0]) if rows else None

    def change(self, job_id: int, expected: tuple[State, ...], state: State, message: str = "") -> Job:
        """Moves a job from one of the expected states to another; raises JobError if it is in none of them."""
        now = utc_timestamp(self.now())
        values: dict[str, Any] = {"state": state.value, "message": message}
        if state is State.RUNNING:
            values |= {"started_at": now, "ended_at": None}
        elif not state.is_active:
            values["ended_at"] = now
        with self.transaction("The job was not changed: {reason}."):
            job = self.job(job_id)
            if job.state not in expected:
                raise JobError(f"The job is {job.state} already. Reload the page.")
            self._update(job_id, values)
            return self.job(job_id)

    def finish_step(self, job_id: int) -> Job:
        """Notes that the first unfinished step is done."""
        with self.transaction("The job was not changed: {reason}."):
            self._update(job_id, {"finished_steps": self.job(job_id).finished_steps + 1})
            return self.job(job_id)

    def _update(self, job_id: int, values: dict[str, Any]) -> None:
        assignments = ", ".join(f"{column} = ?" for column in values)
        self.execute(f"UPDATE jobs SET {assignments} WHERE job_id = ?", (*values.values(), job_id))


def job_from_row(row: Row) -> Job:
    steps = tuple(Step(**{**step, "arguments": tuple(step["arguments"])}) for step in json.loads(row["steps"]))
    times = {name: time_from_column(row[name]) for name in ("started_at", "ended_at")}
    return Job(
        job_id=row["job_id"],
        title=row["title"],
        folder=row["folder"],
        steps=steps,
        finished_steps=row["finished_steps"],
        state=State(row["state"]),
        message=row["message"],
        key_name=row["key_name"],
        created_by=row["created_by"],
        created_at=datetime.fromisoformat(row["created_at"]),
        **times,
    )


def time_from_column(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
