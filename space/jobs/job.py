"""A job: steps that are commands of the library, its state, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from maps.errors import MapsError
from maps.text import plural

MAPS, SPACE, ANNOTATION = "maps", "space", "annotation"  # the programs, as in `python -m maps`


class JobError(MapsError):
    """Raised when a job cannot be stored, read or changed; the message says why."""


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_active(self) -> bool:
        """Whether the job runs, or will without anybody doing anything."""
        return self in (State.QUEUED, State.RUNNING)

    @property
    def is_unfinished(self) -> bool:
        """Whether the job is active or paused."""
        return self.is_active or self is State.PAUSED


@dataclass(frozen=True)
class Step:
    """One command of a job: what it does in words, and the arguments of `python -m maps`, or of another program.

    If an optional step fails, the job goes on, and its log has the reason.
    """

    doing: str
    arguments: tuple[str, ...]
    is_optional: bool = False
    program: str = MAPS

    def as_dry_run(self, doing: str = "Checking") -> Step:
        """The step that only says what it would do."""
        return replace(self, doing=doing, arguments=(*self.arguments, "--dry-run"))

    @property
    def is_elsewhere(self) -> bool:
        """Whether the work is done by a Job of the Hub, which the command follows."""
        return self.program == SPACE


@dataclass(frozen=True)
class JobRequest:
    """A job as somebody asks for it. `folder`: of the atlas that it is about. `keys`: typed for this job only."""

    title: str
    folder: str
    steps: tuple[Step, ...]
    created_by: str
    keys: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Job:
    """A stored job. `finished_steps` of its steps are done; `message` says why it paused or failed.

    `key_name`: the variable of a key that was typed for this job. Such a key is kept in memory only.
    """

    job_id: int
    title: str
    folder: str
    steps: tuple[Step, ...]
    finished_steps: int
    state: State
    message: str
    key_name: str
    created_by: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def current_step(self) -> Step | None:
        return self.steps[self.finished_steps] if self.finished_steps < len(self.steps) else None


@dataclass(frozen=True)
class Progress:
    """How far a bar of the running step is: `done` of `total` units, and the seconds left if they are known."""

    doing: str
    done: float
    total: float | None
    unit: str
    seconds_left: float | None

    @property
    def count_text(self) -> str:
        """`12 of 30 layers`; bytes in megabytes. Empty if the total is not known."""
        if not self.total:
            return ""
        if self.unit == "B":
            return f"{self.done / 1e6:,.0f} of {self.total / 1e6:,.0f} MB"
        return f"{self.done:,.0f} of {self.total:,.0f} {plural(self.unit)}"
