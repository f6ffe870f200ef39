"""The state of the ledger in words, for the organiser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from annotation.types import LedgerRows
from maps.text import pluralize


@dataclass(frozen=True)
class LedgerStatus:
    """The state of the ledger. No field contains a secret.

    `unpublished_count` counts the journal's rows that the ledger lacks, the oldest stored at `oldest_unpublished_at`;
    `unpublished_withdrawals` of them are withdrawals.
    `error` is the last error, None after a success; `notes` are other problems; `closed_reason` says why nobody can
    judge, None if they can.
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
    unpublished_withdrawals: int = 0

    @property
    def state(self) -> str:
        """The state in one word: closed, failing, unread, waiting or published."""
        if self.closed_reason is not None:
            return "closed"
        if self.error is not None:
            return "failing"
        if not self.is_restored:
            return "unread"
        return "waiting" if self.unpublished_count else "published"

    def public_summary(self) -> dict[str, object]:
        """The part that everybody may see: without the dataset's name and error messages, which may contain it."""
        moments = {"since": self.oldest_unpublished_at, "published_at": self.published_at, "next_try": self.next_try_at}
        return {
            "state": self.state,
            "unpublished": self.unpublished_count,
            **{name: moment.isoformat() if moment else None for name, moment in moments.items()},
        }

    def problems(self) -> list[str]:
        """The problems, a sentence each, most important first."""
        sentences = [self.closed_reason] if self.closed_reason else []
        if self.error is not None:
            at = f" ({_format_time(self.failed_at)})" if self.failed_at else ""
            sentences.append(f"The last try failed{at}: {self.error}")
        return [*sentences, *self.notes]

    def state_sentences(self) -> list[str]:
        """What is published, and when the next try is due."""
        sentences = [self._waiting_sentence()]
        if self.unpublished_withdrawals:
            sentences.append(
                f"{pluralize(self.unpublished_withdrawals, 'withdrawal')} not in the ledger yet: do not publish a "
                "release before that."
            )
        if self.published_at is not None:
            sentences.append(f"Last published {_format_time(self.published_at)}, in commit {(self.commit or '')[:10]}.")
        if self.next_try_at is not None and (self.unpublished_count or self.error):
            sentences.append(f"The next try is due {_format_time(self.next_try_at)}.")
        return sentences

    def _waiting_sentence(self) -> str:
        if not self.is_restored:
            return f"The ledger {self.dataset} has not been read since the app started."
        if self.oldest_unpublished_at is None:
            return f"Every row is published in the ledger {self.dataset}."
        rows = "1 row is" if self.unpublished_count == 1 else f"{self.unpublished_count:,} rows are"
        since = _format_time(self.oldest_unpublished_at)
        return f"{rows} not yet published in the ledger {self.dataset}, the oldest since {since}."


def _format_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def unpublished_sentences(dataset: str, rows: LedgerRows, studies: int, is_forget_due: bool) -> tuple[str, ...]:
    """What a ledger lacks when the app ends, withdrawals first; empty if it lacks nothing."""
    sentences = []
    if rows.withdrawals:
        sentences.append(
            f"Not in the ledger {dataset} yet: {pluralize(len(rows.withdrawals), 'withdrawal')}. Keep the data folder "
            "and start the app again, which sends withdrawals first; do not publish a release before that."
        )
    others = {"answer": len(rows.judgments), "consent": len(rows.consents), "opening": len(rows.openings)}
    counts = [pluralize(count, what) for what, count in others.items() if count]
    counts += [f"{studies:,} {'study' if studies == 1 else 'studies'}"] if studies else []
    if counts:
        sentences.append(f"Not in the ledger {dataset} yet: {', '.join(counts)}; the next start publishes them.")
    if is_forget_due:
        sentences.append(
            f"Answers of people who withdrew may still be in the files or the history of the ledger {dataset}; the "
            "next start removes them."
        )
    return tuple(sentences)
