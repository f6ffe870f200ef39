"""The troubles of a chat-completions server in sentences. No sentence holds the key."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import urlsplit

import httpx2  # the transport of the openai package
import openai

from maps.errors import DescriberError, NoReplyError, ReplyError
from maps.llm.connection import by_proxy
from maps.llm.sanitise import masking, read_json, whole, words_of
from maps.text import said

DESCRIBE_OFFLINE = "describe without a key: python -m maps describe ATLAS --describer offline"
MEASURE_OFFLINE = "leave out the scorer: the offline measures need no key"
GO_ON = "the same command goes on with what is missing"
DAY = 86400  # seconds
MODERATED = re.compile(r"moderat|flagged|content.?(filter|polic)", re.IGNORECASE)
NOT_SENT = (  # with these no whole request has reached the server
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.WriteError,
    httpx2.WriteTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)


class Troubles:
    """Says what went wrong at one server with one model."""

    def __init__(self, model: str, url: str, api_key: str, timeout: float, without_key: str) -> None:
        """`without_key`: what can be done without the server. Raises DescriberError for an address that is none."""
        self.host = host_of(url)
        self._url = url
        self._model = model
        self._masked = masking(api_key)
        self._timeout = timeout
        self._without_key = without_key

    def no_key(self) -> DescriberError:
        """Where a key is needed and there is none."""
        return DescriberError(
            f"{self._model} needs a key: set OPENAI_API_KEY (in Python: api_key), or {self._without_key}."
        )

    def too_long(self, seconds: float) -> DescriberError:
        """Where the server asks to wait longer than is sensible."""
        long = f"{seconds / 60:.0f} minutes" if seconds <= DAY else "more than a day"
        return DescriberError(f"{self.host} asks to wait {long} before the next question: wait, then {GO_ON}.")

    def explain(self, error: openai.OpenAIError, *, answered: bool, served: bool) -> NoReturn:
        """Raises the sentence for an error of the openai package; the chain is cut, as it may quote the key.

        DescriberError where it ends the run, ReplyError where it concerns one question (NoReplyError where another
        seed would not help). `answered`: whether the server has answered anything before, `served`: with what was
        asked for, so that the key is good.
        """
        host, otherwise = self.host, self._without_key
        if isinstance(error, openai.PermissionDeniedError) and (served or MODERATED.search(refusal_of(error))):
            raise ReplyError(self.sentence(error)) from None
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            raise DescriberError(f"{host} refused the key: set a valid OPENAI_API_KEY, or {otherwise}.") from None
        if isinstance(error, openai.NotFoundError):
            raise DescriberError(f"{host} knows no model {self._model!r}: check its name and --base-url.") from None
        if is_quota(error):
            raise DescriberError(f"The account at {host} has no quota left: add credit, or {otherwise}.") from None
        if is_unreachable(error) and answered:
            raise DescriberError(f"{host} answers no longer: start it again, then {GO_ON}.") from None
        if is_unreachable(error) and by_proxy(self._url):
            raise DescriberError(
                f"{host} can't be reached by the proxy that the environment names: check http_proxy, https_proxy and "
                "all_proxy, or except the server by no_proxy."
            ) from None
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
            return self.status(error.status_code, refusal_of(error))
        return f"The reply of {self.host} can't be read: {self.shown(str(error))}"

    def status(self, code: int, message: str) -> str:
        """A refusal by its status, with the server's words."""
        return f"{self.host} answered with status {code}: {self.shown(message) or 'no reason'}"

    def clean(self, text: str) -> str:
        """A string that a server sent without the key and without half characters."""
        return self._masked(whole(text))

    def shown(self, text: str) -> str:
        """A server's words on one line, clean and without what acts on a terminal, at most 200 characters."""
        line = said(" ".join(self.clean(text).split()))
        return line if len(line) <= 200 else line[:200] + "…"


def refusal_of(error: openai.APIStatusError) -> str:
    """The words of a refusal, in whatever form the server wrote them."""
    words = words_of(error.body)
    if words:
        return words
    text = error.response.text
    try:
        return words_of(read_json(text)) or text
    except ValueError:
        return text


def complaint(error: openai.APIError) -> tuple[str, str]:
    """What is told of a request that the server refused, and the error's code; empty where that wasn't the trouble."""
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return f"{error.param or ''} {refusal_of(error)}", error.code or ""
    return "", ""


def is_quota(error: openai.OpenAIError) -> bool:
    """Whether the account is empty, which no waiting mends."""
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    return status == 402 or (isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota")


def is_unreachable(error: openai.OpenAIError) -> bool:
    """Whether no connection was made."""
    causes = (httpx2.ConnectError, httpx2.ProxyError)
    return isinstance(error, openai.APIConnectionError) and isinstance(error.__cause__, causes)


def was_sent(error: openai.OpenAIError) -> bool:
    """Whether a question whose reply got lost had reached the server, which may have worked on it and may charge it."""
    return isinstance(error, openai.APIConnectionError) and not isinstance(error.__cause__, NOT_SENT)


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
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        host = ""
    if not host or parts.scheme not in ("http", "https") or not url.isprintable() or " " in url:
        raise DescriberError("The server's address is none: write --base-url as in http://127.0.0.1:8000/v1.")
    return host


def checked_name(model: str) -> str:
    """The name of a model; raises DescriberError where it holds bytes that are no text."""
    try:
        model.encode()
    except UnicodeEncodeError:
        raise DescriberError("The model's name holds bytes that are no text: write it in UTF-8.") from None
    return model
