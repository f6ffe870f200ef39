"""Errors of the Hub: which requests are tried again, and the message for each error."""

from __future__ import annotations

import errno
from json import JSONDecodeError

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from maps.errors import MapsError
from maps.hub.errors import call_with_retries, is_retryable, retry_after_seconds, translate_hub_errors

CALLED = httpx2.Request("GET", "http://127.0.0.1")


def answered(status: int, **headers: str) -> HfHubHTTPError:
    return HfHubHTTPError("no", response=httpx2.Response(status, headers=headers, request=CALLED))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (answered(503), True),
        (answered(429), True),
        (answered(404), False),
        (answered(412), False),
        (httpx2.ReadError("gone"), True),
        (JSONDecodeError("no", "<html>", 0), True),
        (caused(RuntimeError("while uploading"), answered(500)), True),
        (caused(RuntimeError("while uploading"), answered(403)), False),
        (caused(LocalEntryNotFoundError("not here"), answered(503)), True),
        (LocalEntryNotFoundError("not here"), False),
        (ConnectionError("offline"), False),
        (RuntimeError("other"), False),
    ],
)
def test_only_requests_that_may_succeed_later_are_tried_again(error: Exception, wanted: bool) -> None:
    assert is_retryable(error) == wanted
    tries = []

    def call() -> str:
        tries.append(error)
        if len(tries) < 3:
            raise error
        return "done"

    if wanted:
        assert call_with_retries(call, (0.0, 0.0)) == "done"
    else:
        with pytest.raises(type(error)):
            call_with_retries(call, (0.0, 0.0))
    assert len(tries) == (3 if wanted else 1)


def test_a_busy_server_says_how_long_to_wait() -> None:
    waits = [retry_after_seconds(answered(429, **{"Retry-After": text})) for text in ("7", "3600", "Wed, 21 Oct 2026")]
    assert (waits, retry_after_seconds(answered(503)), retry_after_seconds(OSError())) == ([7.0, 60.0, 0.0], 0.0, 0.0)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (answered(418), "The Hub answered with status 418 for a/b; try again later."),
        (JSONDecodeError("no", "<html>", 0), "The Hub's answer for a/b cannot be read; try again later."),
        (
            httpx2.InvalidURL("http://["),
            "There is no file or folder a/b, and the Hub cannot be reached to look for a model",
        ),
        (
            ConnectionError("offline"),
            "There is no file or folder a/b, and the Hub cannot be reached to look for a model",
        ),
        (
            OSError("a file of another size"),
            "There is no file or folder a/b, and the Hub cannot be reached to look for a model",
        ),
    ],
)
def test_an_error_of_the_hub_becomes_one_sentence(error: Exception, message: str) -> None:
    with pytest.raises(MapsError) as caught, translate_hub_errors("model", "a/b"):
        raise error
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("x"), ValueError("y")]
)
def test_other_errors_are_not_changed(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translate_hub_errors("model", "a/b"):
        raise error
    assert caught.value is error
