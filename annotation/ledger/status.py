"""What the organiser is told about the ledger, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class LedgerStatus:
    """How things stand between the journal and the ledger. No field holds a secret.

    `unpublished_count` counts the rows of the journal that the ledger does not hold, the oldest of `oldest_unpublished_at`; `error` is the
    last trouble while it lasts; `notes` what went wrong beside it; `closed_reason` says why judging is closed, if it is.
    """

    dataset: str
    is_restored: bool
    unpublished_count: int
    oldest_unpublished_at: datetime | None
    published_at: datetime | None
    commit: str | None
    error: str | None
    failed_at: datetime | None
    notes: tuple[str, ...]
    next_try_at: datetime | None
    closed_reason: str | None

    @property
    def state(self) -> str:
        """How things stand, in one word."""
        if self.closed_reason is not None:
            return "closed"
        if self.error is not None:
            return "failing"
        if not self.is_restored:
            return "unread"
        return "waiting" if self.unpublished_count else "published"

    def public_summary(self) -> dict[str, object]:
        """The same for everybody: no name of a dataset, and no error's words, which may hold one."""
        moments = {"since": self.oldest_unpublished_at, "published_at": self.published_at, "next_try": self.next_try_at}
        return {
            "state": self.state,
            "unpublished": self.unpublished_count,
            **{name: moment.isoformat() if moment else None for name, moment in moments.items()},
        }

    def problems(self) -> list[str]:
        """What is wrong, one plain sentence each, in the order of their weight."""
        found = [self.closed_reason] if self.closed_reason else []
        if self.error is not None:
            at = f" ({_format_time(self.failed_at)})" if self.failed_at else ""
            found.append(f"The last try failed{at}: {self.error}")
        return [*found, *self.notes]

    def state_sentences(self) -> list[str]:
        """How things stand beside that."""
        found = [self._waiting_sentence()]
        if self.published_at is not None:
            found.append(f"Last published {_format_time(self.published_at)}, in commit {(self.commit or '')[:10]}.")
        if self.next_try_at is not None and (self.unpublished_count or self.error):
            found.append(f"The next try is due {_format_time(self.next_try_at)}.")
        return found

    def _waiting_sentence(self) -> str:
        if not self.is_restored:
            return f"The ledger {self.dataset} has not been read since the app started."
        if self.oldest_unpublished_at is None:
            return f"Every row is published in the ledger {self.dataset}."
        rows = "1 row is" if self.unpublished_count == 1 else f"{self.unpublished_count:,} rows are"
        return f"{rows} not yet published in the ledger {self.dataset}, the oldest since {_format_time(self.oldest_unpublished_at)}."


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
