"""The Hub's troubles: which ones pass and are tried again, and what is said of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from json import JSONDecodeError
from typing import TypeVar

from httpx2 import HTTPError, InvalidURL, TransportError
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from maps.errors import MapsError

RETRY_WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds before the second try, the third and so on
LONGEST_WAIT = 60.0
RETRYABLE_STATUSES = (408, 429, 500, 502, 503, 504)
LOGIN_HINT = "set HF_TOKEN or run `hf auth login`"
HUB_ERRORS = (HTTPError, InvalidURL, HFValidationError, JSONDecodeError, OSError)
Result = TypeVar("Result")


class IncompleteResponseError(TransportError):
    """An answer that ended before all of it was there."""


def call_with_retries(call: Callable[[], Result], waits: Sequence[float] = RETRY_WAITS) -> Result:
    """What the call returns; troubles that pass are waited out, as often as there are waits."""
    for wait in waits:
        try:
            return call()
        except (HTTPError, ValueError, OSError, RuntimeError) as error:
            if not is_retryable(error):
                raise
            time.sleep(retry_after_seconds(error) or wait)
    return call()


def is_retryable(error: BaseException) -> bool:
    """Whether the same request may succeed later: an overloaded server, a dropped connection."""
    cause = underlying_error(error)
    if isinstance(cause, HfHubHTTPError):
        return cause.response.status_code in RETRYABLE_STATUSES
    return isinstance(cause, (TransportError, JSONDecodeError))  # an overloaded server may answer with a page


def underlying_error(error: BaseException) -> BaseException:
    """What went wrong at the Hub: the client wraps it where a large file was sent, or a file is in no cache either."""
    cause = error.__cause__
    if isinstance(error, RuntimeError):
        return cause or error
    return cause if isinstance(error, LocalEntryNotFoundError) and isinstance(cause, HfHubHTTPError) else error


def retry_after_seconds(error: BaseException) -> float:
    """How long a busy server asks to wait, within limits; 0 where it does not say."""
    cause = underlying_error(error)
    said = cause.response.headers.get("Retry-After", "") if isinstance(cause, HfHubHTTPError) else ""
    return min(float(said), LONGEST_WAIT) if said.isdecimal() else 0.0


@contextmanager
def translate_hub_errors(kind: str, name: str, unreachable: str = "") -> Iterator[None]:
    """Turns what the Hub's client raises over a model or dataset into one sentence; other errors stay what they are.

    `unreachable` is said where no Hub answers.
    """
    try:
        yield
    except (HTTPError, InvalidURL, ValueError, OSError, RuntimeError) as error:
        cause = underlying_error(error)
        if not isinstance(cause, HUB_ERRORS) or is_local_error(cause):
            raise
        said = hub_error_message(cause, kind, name)
        raise MapsError(said or unreachable or no_hub_message(kind, name)) from error


def is_local_error(error: BaseException) -> bool:
    """Whether a disk or a file is at fault and not the network."""
    return isinstance(error, OSError) and not isinstance(error, (HTTPError, ConnectionError)) and bool(error.errno)


def hub_error_message(error: BaseException, kind: str, name: str) -> str:
    """What went wrong, and what to do; empty where no Hub answered."""
    if isinstance(error, GatedRepoError):
        return f"{name} is gated on the Hub: ask for access on its page there, then {LOGIN_HINT}."
    if isinstance(error, (RepositoryNotFoundError, HFValidationError)):
        return (
            f"There is no file or folder {name}, and the Hub has no {kind} of that name that this token may read; "
            "check the name or HF_TOKEN."
        )
    if isinstance(error, RevisionNotFoundError):
        return f"The Hub's {kind} {name} has no such revision; check its history there."
    if isinstance(error, RemoteEntryNotFoundError):
        return f"The Hub's {kind} {name} lacks a file that belongs to it; take another revision or another {kind}."
    if isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 403):
        return f"The Hub does not accept the token for {name}: {LOGIN_HINT}, with a token that may."
    if isinstance(error, HfHubHTTPError):
        return f"The Hub answered {error.response.status_code} for {name}; try again later."
    return f"The Hub's answer for {name} cannot be read; try again later." if isinstance(error, ValueError) else ""


def no_hub_message(kind: str, name: str) -> str:
    """What is said where no Hub answers to somebody who looks for a model or dataset."""
    return (
        f"There is no file or folder {name}, and no Hub answers that has a {kind} of that name; "
        "check the name and the network."
    )
