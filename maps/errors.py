"""The errors that the library raises.

    MapsError                      a person can fix it; the message says how
    ├── NotRunnableError           transformers cannot run the model, whose weights MAPS can read
    ├── RunFailedError             the input was right, but the run came to nothing, or most of it
    ├── ReplyError                 no usable reply about one head
    │   └── NoReplyError           the server did not reply at all
    ├── SplitWordError             a word is not a single token of the model
    ├── DescriberError             the model's server cannot be used, so the run ends
    │   └── NoBatchError           the server has no Batch API
    └── HubError                   a request to the Hugging Face Hub failed
        ├── CommitConflictError    somebody else committed first
        └── RangesUnsupportedError the server sends whole files only

`annotation` derives its own errors from MapsError. The commands print a MapsError as one sentence and exit with
status 2, or 1 for a RunFailedError.
"""

from __future__ import annotations


class MapsError(Exception):
    """Raised for anything that a person can fix; the message is one or two sentences that say what to do."""


class RunFailedError(MapsError):
    """Raised when a run with valid input produced nothing, or failed on more heads or questions than it answered."""


class NotRunnableError(MapsError):
    """Raised when transformers cannot run a model; what only reads its weights still can."""


class ReplyError(MapsError):
    """Raised when a model's reply about one head cannot be used; the head may be asked about again."""


class NoReplyError(ReplyError):
    """Raised when the server did not reply about one head after all retries; another seed would not help."""


class SplitWordError(MapsError):
    """Raised when a word is not a single token of the model.

    `split` says how the model splits it, `word` is the word as it was given, and `suggestions` are spellings of it
    that are single tokens.
    """

    def __init__(self, message: str, split: str = "", word: str = "", suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.split, self.word, self.suggestions = split, word, suggestions


class DescriberError(MapsError):
    """Raised when asking again cannot help (key, model, quota, server): it ends the run."""


class NoBatchError(DescriberError):
    """Raised when the server has no Batch API, or does not know the batch or its files."""


class HubError(MapsError):
    """Raised when a request to the Hub failed. The message never contains the token.

    `status`: the HTTP status, None where the Hub did not answer. `retry_after`: the seconds that the Hub asks to wait.
    `is_retryable`: whether the same request may succeed later.
    """

    def __init__(
        self, message: str, status: int | None = None, retry_after: float = 0.0, is_retryable: bool = False
    ) -> None:
        super().__init__(message)
        self.status, self.retry_after, self.is_retryable = status, retry_after, is_retryable


class CommitConflictError(HubError):
    """Raised when a commit names a parent that is no longer the newest commit."""


class RangesUnsupportedError(HubError):
    """Raised when a server ignores a request for part of a file; the caller then fetches the whole file."""
