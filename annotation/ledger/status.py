"""What the organiser is told about the ledger, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Status:
    """How things stand between the journal and the ledger. No field holds a secret.

    `unpublished` counts the rows of the journal that the ledger does not hold, the oldest of `since`; `error` is the
    last trouble while it lasts; `notes` what went wrong beside it; `closed` says why judging is closed, if it is.
    """

    dataset: str
    restored: bool
    unpublished: int
    since: datetime | None
    published_at: datetime | None
    commit: str | None
    error: str | None
    failed_at: datetime | None
    notes: tuple[str, ...]
    next_try: datetime | None
    closed: str | None

    @property
    def state(self) -> str:
        """How things stand, in one word."""
        if self.closed is not None:
            return "closed"
        if self.error is not None:
            return "failing"
        if not self.restored:
            return "unread"
        return "waiting" if self.unpublished else "published"

    def summary(self) -> dict[str, object]:
        """The same for everybody: no name of a dataset, and no error's words, which may hold one."""
        moments = {"since": self.since, "published_at": self.published_at, "next_try": self.next_try}
        return {
            "state": self.state,
            "unpublished": self.unpublished,
            **{name: moment.isoformat() if moment else None for name, moment in moments.items()},
        }

    def troubles(self) -> list[str]:
        """What is wrong, one plain sentence each, in the order of their weight."""
        found = [self.closed] if self.closed else []
        if self.error is not None:
            at = f" ({_time(self.failed_at)})" if self.failed_at else ""
            found.append(f"The last try failed{at}: {self.error}")
        return [*found, *self.notes]

    def sentences(self) -> list[str]:
        """How things stand beside that."""
        found = [self._waiting()]
        if self.published_at is not None:
            found.append(f"Last published {_time(self.published_at)}, in commit {(self.commit or '')[:10]}.")
        if self.next_try is not None and (self.unpublished or self.error):
            found.append(f"The next try is due {_time(self.next_try)}.")
        return found

    def _waiting(self) -> str:
        if not self.restored:
            return f"The ledger {self.dataset} has not been read since the app started."
        if self.since is None:
            return f"Every row is published in the ledger {self.dataset}."
        rows = "1 row is" if self.unpublished == 1 else f"{self.unpublished:,} rows are"
        return f"{rows} not yet published in the ledger {self.dataset}, the oldest since {_time(self.since)}."


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
