"""The troubles of a chat-completions server in sentences. No sentence holds the key."""

from __future__ import annotations

from typing import NoReturn
from urllib.parse import urlsplit

import httpx2  # the transport of the openai package
import openai

from maps.describers import DescriberError
from maps.prompts import NoReplyError

DESCRIBE_OFFLINE = "describe without a key: python -m maps describe ATLAS --describer offline"
MEASURE_OFFLINE = "leave out the scorer: the offline measures need no key"
GO_ON = "the same command goes on with what is missing"


class Troubles:
    """Says what went wrong at one server with one model."""

    def __init__(self, model: str, url: str, api_key: str, timeout: float, without_key: str) -> None:
        """`without_key`: what can be done without the server. Raises DescriberError for an address that is none."""
        self.host = host_of(url)
        self._model = model
        self._api_key = api_key
        self._timeout = timeout
        self._without_key = without_key

    def no_key(self) -> DescriberError:
        """Where a key is needed and there is none."""
        return DescriberError(
            f"{self._model} needs a key: set OPENAI_API_KEY (in Python: api_key), or {self._without_key}."
        )

    def too_long(self, seconds: float) -> DescriberError:
        """Where the server asks to wait longer than is sensible."""
        return DescriberError(
            f"{self.host} asks to wait {seconds / 60:.0f} minutes before the next question: wait, then {GO_ON}."
        )

    def explain(self, error: openai.OpenAIError, *, answered: bool) -> NoReturn:
        """Raises the sentence for an error of the openai package; the chain is cut, as it may quote the key.

        DescriberError where it ends the run, NoReplyError where it concerns one question. `answered`: whether the
        server has answered anything before.
        """
        host, otherwise = self.host, self._without_key
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            raise DescriberError(f"{host} refused the key: set a valid OPENAI_API_KEY, or {otherwise}.") from None
        if isinstance(error, openai.NotFoundError):
            raise DescriberError(f"{host} knows no model {self._model!r}: check its name and --base-url.") from None
        if is_quota(error):
            raise DescriberError(f"The account at {host} has no quota left: add credit, or {otherwise}.") from None
        if is_unreachable(error) and answered:
            raise DescriberError(f"{host} answers no longer: start it again, then {GO_ON}.") from None
        if is_unreachable(error):
            raise DescriberError(f"No server answers at {host}: start it, or check --base-url.") from None
        raise NoReplyError(self.sentence(error)) from None

    def sentence(self, error: openai.OpenAIError) -> str:
        """What concerns one question."""
        if isinstance(error, openai.APITimeoutError):
            return f"{self.host} gave no reply within {self._timeout:g} seconds: give a slow model more --timeout."
        if isinstance(error, openai.APIConnectionError):
            return f"The connection to {self.host} was lost before the reply."
        if isinstance(error, openai.RateLimitError):
            return f"{self.host} limits the rate of questions: ask again later or with less --concurrency."
        if isinstance(error, openai.APIStatusError):
            return self.status(error.status_code, error.message)
        return f"The reply of {self.host} can't be read: {self.shown(str(error))}"

    def status(self, code: int, message: str) -> str:
        """A refusal by its status, with the server's words."""
        return f"{self.host} answered with status {code}: {self.shown(message)}"

    def shown(self, text: str) -> str:
        """A server's words on one line, without the key, at most 200 characters."""
        line = " ".join(text.split())
        line = line.replace(self._api_key, "[key]") if self._api_key else line
        return line if len(line) <= 200 else line[:200] + "…"


def is_quota(error: openai.OpenAIError) -> bool:
    """Whether the account is empty, which no waiting mends."""
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    return status == 402 or (isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota")


def is_unreachable(error: openai.OpenAIError) -> bool:
    """Whether no connection was made."""
    return isinstance(error, openai.APIConnectionError) and isinstance(error.__cause__, httpx2.ConnectError)


def is_worth_a_retry(error: openai.OpenAIError, attempt: int) -> bool:
    """Whether the same question may bring a reply later. After a time-out, which may have been paid, once only."""
    if isinstance(error, openai.APITimeoutError):
        return attempt < 1
    if isinstance(error, openai.APIStatusError):
        return not is_quota(error) and (error.status_code in (408, 409, 425, 429) or error.status_code >= 500)
    return isinstance(error, openai.APIConnectionError)


def host_of(url: str) -> str:
    """The server's name and port, without what else an address may hold (such as a password)."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        raise DescriberError("The server's address is none: write --base-url as in http://127.0.0.1:8000/v1.")
    return host
