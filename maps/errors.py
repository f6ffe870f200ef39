"""The errors that the library raises."""

from __future__ import annotations


class MapsError(Exception):
    """Something a person can mend; its message is one plain sentence that says how."""


class RunFailedError(MapsError):
    """A run whose input was right came to nothing."""


class ReplyError(MapsError):
    """No usable reply for one head: it may be asked again, and other heads are not concerned."""


class NoReplyError(ReplyError):
    """The server gave no reply to the question, however often it was tried: another seed would not help."""


class DescriberError(MapsError):
    """Something that no further asking mends (key, model, quota, server): it ends the run.

    What concerns one head alone is a `ReplyError`.
    """


class HubError(MapsError):
    """What went wrong at the Hub, in one sentence that holds no token.

    `status` is the Hub's answer, None where there was none; `retry_after` the seconds that it asks to wait;
    `is_retryable` whether the same request may succeed later.
    """

    def __init__(
        self, sentence: str, status: int | None = None, retry_after: float = 0.0, is_retryable: bool = False
    ) -> None:
        super().__init__(sentence)
        self.status, self.retry_after, self.is_retryable = status, retry_after, is_retryable


class CommitConflictError(HubError):
    """A commit that was to follow a certain one came too late: somebody else's is there."""


class NoBatchError(DescriberError):
    """The server has no Batch API, or does not know the batch or its files."""
