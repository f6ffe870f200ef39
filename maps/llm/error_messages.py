"""The troubles of a chat-completions server in sentences. No sentence holds the key."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import urlsplit

import httpx2  # the transport of the openai package
import openai

from maps.errors import DescriberError, NoReplyError, ReplyError
from maps.llm.connection import is_behind_proxy
from maps.llm.sanitise import escape_surrogates, make_key_mask, message_in_body, read_json
from maps.text import escape_for_terminal

DESCRIBE_OFFLINE_ADVICE = "describe without a key: python -m maps describe ATLAS --describer offline"
MEASURE_OFFLINE_ADVICE = "leave out the scorer: the offline measures need no key"
RESUME_ADVICE = "the same command goes on with what is missing"
SECONDS_PER_DAY = 86400  # seconds
MODERATION_PATTERN = re.compile(r"moderat|flagged|content.?(filter|polic)", re.IGNORECASE)
UNSENT_ERRORS = (  # with these no whole request has reached the server
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.WriteError,
    httpx2.WriteTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)


class ErrorMessages:
    """Says what went wrong at one server with one model."""

    def __init__(self, model: str, url: str, api_key: str, timeout: float, fallback_advice: str) -> None:
        """`fallback_advice`: what can be done without the server. Raises DescriberError for an address that is none."""
        self.host = host_and_port(url)
        self._url = url
        self._model = model
        self._mask_key = make_key_mask(api_key)
        self._timeout = timeout
        self._fallback_advice = fallback_advice

    def missing_key_error(self) -> DescriberError:
        """Where a key is needed and there is none."""
        return DescriberError(
            f"{self._model} needs a key: set OPENAI_API_KEY (in Python: api_key), or {self._fallback_advice}."
        )

    def long_wait_error(self, seconds: float) -> DescriberError:
        """Where the server asks to wait longer than is sensible."""
        long = f"{seconds / 60:.0f} minutes" if seconds <= SECONDS_PER_DAY else "more than a day"
        return DescriberError(f"{self.host} asks to wait {long} before the next question: wait, then {RESUME_ADVICE}.")

    def raise_explained(self, error: openai.OpenAIError, *, has_answered: bool, has_served: bool) -> NoReturn:
        """Raises the sentence for an error of the openai package; the chain is cut, as it may quote the key.

        DescriberError where it ends the run, ReplyError where it concerns one question (NoReplyError where another
        seed would not help). `has_answered`: whether the server has answered anything before, `has_served`: with what was
        asked for, so that the key is good.
        """
        host, otherwise = self.host, self._fallback_advice
        if isinstance(error, openai.PermissionDeniedError) and (
            has_served or MODERATION_PATTERN.search(refusal_message(error))
        ):
            raise ReplyError(self.error_message(error)) from None
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            raise DescriberError(f"{host} refused the key: set a valid OPENAI_API_KEY, or {otherwise}.") from None
        if isinstance(error, openai.NotFoundError):
            raise DescriberError(f"{host} knows no model {self._model!r}: check its name and --base-url.") from None
        if is_quota_error(error):
            raise DescriberError(f"The account at {host} has no quota left: add credit, or {otherwise}.") from None
        if is_unreachable(error) and has_answered:
            raise DescriberError(f"{host} answers no longer: start it again, then {RESUME_ADVICE}.") from None
        if is_unreachable(error) and is_behind_proxy(self._url):
            raise DescriberError(
                f"{host} can't be reached by the proxy that the environment names: check http_proxy, https_proxy and "
                "all_proxy, or except the server by no_proxy."
            ) from None
        if is_unreachable(error):
            raise DescriberError(f"No server answers at {host}: start it, or check --base-url.") from None
        raise NoReplyError(self.error_message(error)) from None

    def error_message(self, error: openai.OpenAIError) -> str:
        """What concerns one question."""
        if isinstance(error, openai.APITimeoutError):
            return f"{self.host} gave no reply within {self._timeout:g} seconds: give a slow model more --timeout."
        if isinstance(error, openai.APIConnectionError):
            return f"The connection to {self.host} was lost before the reply."
        if isinstance(error, openai.RateLimitError):
            return f"{self.host} limits the rate of questions: ask again later or with less --concurrency."
        if isinstance(error, openai.APIStatusError):
            return self.status_message(error.status_code, refusal_message(error))
        return f"The reply of {self.host} can't be read: {self.excerpt(str(error))}"

    def status_message(self, code: int, message: str) -> str:
        """A refusal by its status, with the server's words."""
        return f"{self.host} answered with status {code}: {self.excerpt(message) or 'no reason'}"

    def sanitise(self, text: str) -> str:
        """A string that a server sent without the key and without half characters."""
        return self._mask_key(escape_surrogates(text))

    def excerpt(self, text: str) -> str:
        """A server's words on one line, clean and without what acts on a terminal, at most 200 characters."""
        line = escape_for_terminal(" ".join(self.sanitise(text).split()))
        return line if len(line) <= 200 else line[:200] + "…"


def refusal_message(error: openai.APIStatusError) -> str:
    """The words of a refusal, in whatever form the server wrote them."""
    words = message_in_body(error.body)
    if words:
        return words
    text = error.response.text
    try:
        return message_in_body(read_json(text)) or text
    except ValueError:
        return text


def bad_request_details(error: openai.APIError) -> tuple[str, str]:
    """What is told of a request that the server refused, and the error's code; empty where that wasn't the trouble."""
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        return f"{error.param or ''} {refusal_message(error)}", error.code or ""
    return "", ""


def is_quota_error(error: openai.OpenAIError) -> bool:
    """Whether the account is empty, which no waiting mends."""
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    return status == 402 or (isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota")


def is_unreachable(error: openai.OpenAIError) -> bool:
    """Whether no connection was made."""
    causes = (httpx2.ConnectError, httpx2.ProxyError)
    return isinstance(error, openai.APIConnectionError) and isinstance(error.__cause__, causes)


def has_reached_server(error: openai.OpenAIError) -> bool:
    """Whether a question whose reply got lost had reached the server, which may have worked on it and may charge it."""
    return isinstance(error, openai.APIConnectionError) and not isinstance(error.__cause__, UNSENT_ERRORS)


def is_retryable(error: openai.OpenAIError, attempt: int) -> bool:
    """Whether the same question may bring a reply later. After a time-out, which may have been paid, once only."""
    if isinstance(error, openai.APITimeoutError):
        return attempt < 1
    if isinstance(error, openai.APIStatusError):
        return not is_quota_error(error) and (error.status_code in (408, 409, 425, 429) or error.status_code >= 500)
    return isinstance(error, openai.APIConnectionError)


def host_and_port(url: str) -> str:
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


def validate_model_name(model: str) -> str:
    """The name of a model; raises DescriberError where it holds bytes that are no text."""
    try:
        model.encode()
    except UnicodeEncodeError:
        raise DescriberError("The model's name holds bytes that are no text: write it in UTF-8.") from None
    return model
