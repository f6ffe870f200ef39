"""Errors of the Hugging Face Hub: which requests are tried again, and one sentence for each error."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from json import JSONDecodeError
from typing import TypeVar

from httpx2 import HTTPError, InvalidURL, Response, TransportError
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from maps.errors import HubError, MapsError

RETRY_WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds before the second try, the third and so on
MAX_WAIT = 60.0  # seconds; never wait longer than this, even where the Hub asks for it
RETRYABLE_STATUSES = (408, 429, 500, 502, 503, 504)
RATE_LIMIT_EXHAUSTED = re.compile(r";r=0;t=(\d+)")  # RateLimit: "api";r=0;t=55 means: no requests for 55 seconds
LOGIN_HINT = "set HF_TOKEN or run `hf auth login`"
HUB_ERRORS = (HTTPError, InvalidURL, HFValidationError, JSONDecodeError, OSError)
Result = TypeVar("Result")


def call_with_retries(
    call: Callable[[], Result],
    waits: Sequence[float] = RETRY_WAITS,
    should_retry: Callable[[Exception], bool] | None = None,
    sleep: Callable[[float], object] = time.sleep,
    received_bytes: Callable[[], int] = lambda: 0,
) -> Result:
    """Returns what the call returns; tries again after each of the `waits` (seconds), or after what the Hub asks for.

    `should_retry`: which errors pass (default: `is_retryable`). `received_bytes`: how much of a download has arrived;
    when it has grown since the last try, the waits start again from the first.
    """
    attempt, received = 0, received_bytes()
    while True:
        try:
            return call()
        except (HTTPError, ValueError, OSError, RuntimeError, HubError) as error:
            if received_bytes() > received:
                attempt, received = 0, received_bytes()
            if attempt == len(waits) or not (should_retry or is_retryable)(error):
                raise
            sleep(retry_after_seconds(error) or waits[attempt])
            attempt += 1


def is_retryable(error: BaseException) -> bool:
    """Whether the same request may succeed later: an overloaded server, a dropped connection."""
    if isinstance(error, HubError):
        return error.is_retryable
    cause = underlying_error(error)
    if isinstance(cause, HfHubHTTPError):
        return cause.response.status_code in RETRYABLE_STATUSES
    return isinstance(cause, (TransportError, JSONDecodeError))  # an overloaded server may answer with an HTML page


def underlying_error(error: BaseException) -> BaseException:
    """The error that the Hub's client wrapped in a RuntimeError (uploads) or LocalEntryNotFoundError (downloads)."""
    cause = error.__cause__
    if isinstance(error, RuntimeError):
        return cause or error
    return cause if isinstance(error, LocalEntryNotFoundError) and isinstance(cause, HfHubHTTPError) else error


def retry_after_seconds(error: BaseException) -> float:
    """How many seconds the Hub asks to wait, at most MAX_WAIT; 0 where it does not say."""
    cause = underlying_error(error)
    if isinstance(cause, HubError):
        return min(cause.retry_after, MAX_WAIT)
    return min(requested_wait(cause.response), MAX_WAIT) if isinstance(cause, HfHubHTTPError) else 0.0


def requested_wait(response: Response) -> float:
    """The seconds that a response's headers ask to wait; 0 where they do not."""
    retry_after = response.headers.get("Retry-After", "").strip()
    wait = float(retry_after) if retry_after.isdecimal() else 0.0
    exhausted = RATE_LIMIT_EXHAUSTED.search(response.headers.get("RateLimit", ""))
    return max(wait, float(exhausted[1])) if exhausted else wait


@contextmanager
def translate_hub_errors(kind: str, name: str, unreachable: str = "") -> Iterator[None]:
    """Turns errors of the Hub's client about a model or dataset into a MapsError; lets other errors pass.

    `unreachable`: the message where no Hub answers.
    """
    try:
        yield
    except (HTTPError, InvalidURL, ValueError, OSError, RuntimeError) as error:
        cause = underlying_error(error)
        if not isinstance(cause, HUB_ERRORS) or is_local_error(cause):
            raise
        no_hub = (
            f"There is no file or folder {name}, and the Hub cannot be reached to look for a {kind} of that name; "
            "check the name and the network."
        )
        raise MapsError(hub_error_message(cause, kind, name) or unreachable or no_hub) from error


def is_local_error(error: BaseException) -> bool:
    """Whether a disk or a file is at fault and not the network."""
    return isinstance(error, OSError) and not isinstance(error, (HTTPError, ConnectionError)) and bool(error.errno)


def hub_error_message(error: BaseException, kind: str, name: str) -> str:
    """What happened and what to do; empty where no Hub answered."""
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
        return f"The Hub does not accept the token for {name}: {LOGIN_HINT}, with a token that has access."
    if isinstance(error, HfHubHTTPError):
        return f"The Hub answered with status {error.response.status_code} for {name}; try again later."
    return f"The Hub's answer for {name} cannot be read; try again later." if isinstance(error, ValueError) else ""
