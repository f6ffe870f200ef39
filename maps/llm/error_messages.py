"""Errors of a chat-completions server as messages for people. No message contains the API key."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import urlsplit

import httpx2  # the transport of the openai package
import openai

from maps.errors import DescriberError, NoReplyError, ReplyError
from maps.llm.connection import is_behind_proxy
from maps.llm.hidden_errors import hidden_error
from maps.llm.request import names_format
from maps.llm.sanitise import escape_surrogates, make_key_mask, message_in_body, read_json
from maps.text import escape_invisible

DESCRIBE_OFFLINE_ADVICE = "describe without a key: python -m maps describe ATLAS --describer offline"
MEASURE_OFFLINE_ADVICE = "leave out the scorer: the offline measures need no key"
RESUME_ADVICE = "run the same command again to continue"
MODERATION_PATTERN = re.compile(r"moderat|flagged|content.?(filter|polic)", re.IGNORECASE)
UNSENT_ERRORS = (  # after these, the server cannot have received the whole request
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.WriteError,
    httpx2.WriteTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)


KEY_NAME = "OPENAI_API_KEY"


class ErrorMessages:
    """The error messages for one model on one server."""

    def __init__(
        self, model: str, url: str, api_key: str, timeout: float, fallback_advice: str, key_name: str = KEY_NAME
    ) -> None:
        """`fallback_advice`: what to do without the server. `key_name`: the variable with the key.

        Raises DescriberError for an invalid address.
        """
        self._key_name = key_name
        self.host = host_and_port(url)
        self._url = url
        self._model = model
        self._mask_key = make_key_mask(api_key)
        self._timeout = timeout
        self._fallback_advice = fallback_advice

    def missing_key_error(self) -> DescriberError:
        return DescriberError(
            f"{self._model} needs a key: set {self._key_name} (in Python: api_key), or {self._fallback_advice}."
        )

    def long_wait_error(self, seconds: float) -> DescriberError:
        duration = f"{seconds / 60:.0f} minutes" if seconds <= 24 * 60 * 60 else "more than a day"
        return DescriberError(f"{self.host} asks for a pause of {duration}: wait, then {RESUME_ADVICE}.")

    def raise_explained(self, error: openai.OpenAIError, *, has_answered: bool, has_served: bool) -> NoReturn:
        """Raises an error of the openai package again as a MapsError; without its cause, which may quote the key.

        DescriberError ends the run; ReplyError is about one question (NoReplyError: another seed would not help).
        `has_answered`: whether the server has answered before; `has_served`: whether it has sent a reply, so that the
        key is valid.
        """
        host, fallback, words = self.host, self._fallback_advice, self._words_of(error)
        if isinstance(error, openai.PermissionDeniedError) and (
            has_served or MODERATION_PATTERN.search(refusal_message(error))
        ):
            raise ReplyError(self.error_message(error)) from None
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            advice = f"set a valid {self._key_name}, or {fallback}"
            raise DescriberError(f"{host} rejected the API key: {advice}.{words}") from None
        if isinstance(error, openai.NotFoundError):
            advice = "check the name and --base-url"
            raise DescriberError(f"{host} has no model {self._model!r}: {advice}.{words}") from None
        if is_quota_error(error):
            advice = f"add credit, or {fallback}"
            raise DescriberError(f"The account at {host} has no quota left: {advice}.{words}") from None
        if is_unreachable(error) and has_answered:
            raise DescriberError(f"{host} stopped answering: restart it, then {RESUME_ADVICE}.") from None
        if is_unreachable(error) and is_behind_proxy(self._url):
            raise DescriberError(
                f"{host} cannot be reached through the proxy in the environment: check http_proxy, https_proxy and "
                "all_proxy, or add the server to no_proxy."
            ) from None
        if is_unreachable(error):
            raise DescriberError(f"No server answers at {host}: start it, or check --base-url.") from None
        raise NoReplyError(self.error_message(error)) from None

    def _words_of(self, error: openai.OpenAIError) -> str:
        """What the server says, as a sentence to add to our own; empty if it says nothing."""
        words = self.excerpt(refusal_message(error)) if isinstance(error, openai.APIStatusError) else ""
        return f" It says: {words}" if words else ""

    def error_message(self, error: openai.OpenAIError) -> str:
        """The message for an error that is about one question."""
        if isinstance(error, openai.APITimeoutError):
            return f"{self.host} gave no reply within {self._timeout:g} seconds: raise --timeout for a slow model."
        if isinstance(error, openai.APIConnectionError):
            return f"The connection to {self.host} was lost before the reply: {RESUME_ADVICE}."
        if isinstance(error, openai.RateLimitError):
            return (
                f"{self.host} limits the request rate: try again later or lower --concurrency.{self._words_of(error)}"
            )
        if isinstance(error, openai.APIStatusError):
            return self.status_message(error.status_code, refusal_message(error))
        return f"The reply of {self.host} cannot be read: {self.excerpt(str(error))}"

    def status_message(self, code: int, message: str) -> str:
        return f"{self.host} answered with status {code}: {self.excerpt(message) or 'it gave no reason'}"

    def sanitise(self, text: str) -> str:
        """A string from a server with the key masked and lone surrogates escaped."""
        return self._mask_key(escape_surrogates(text))

    def excerpt(self, text: str) -> str:
        """A server's words on one line, sanitised and escaped for the terminal, cut after 200 characters."""
        line = escape_invisible(" ".join(self.sanitise(text).split()))
        return line if len(line) <= 200 else line[:200] + "…"


def refusal_message(error: openai.APIStatusError) -> str:
    """The server's own words in an error response."""
    words = message_in_body(error.body)
    if words:
        return words
    text = error.response.text
    try:
        body = read_json(text)
    except ValueError:
        return text
    return message_in_body(hidden_error(body)) or message_in_body(body) or text


def bad_request_details(error: openai.APIError) -> tuple[str, str]:
    """Why the server refused a request as invalid, and its error code; empty strings for another kind of error."""
    if isinstance(error, openai.APIStatusError):
        words = refusal_message(error)
        if is_refusal(error.status_code, words, has_format=asks_for_format(error)):
            return f"{error.param or ''} {words}", error.code or ""
    return "", ""


def is_refusal(status: int, words: str, *, has_format: bool) -> bool:
    """Whether a server refuses a request as invalid, so that it may accept the same one without some parameter.

    llama-cpp-python answers 500 to a format that it does not know; a gateway may answer 402 to a token limit that the
    account cannot pay.
    """
    if status in (400, 422, 501):
        return True
    return (status >= 500 and has_format and names_format(words)) or (status == 402 and "max_tokens" in words)


def asks_for_format(error: openai.APIError) -> bool:
    """Whether the request that failed asked for a form of the reply."""
    return b'"response_format"' in error.request.content  # inside a prompt, the quotation marks would be escaped


def is_server_failure(error: openai.APIError) -> bool:
    """Whether the server failed, which may be because of a parameter; not whether it is overloaded or slow."""
    return isinstance(error, openai.APIStatusError) and error.status_code in (500, 502)


def is_late(error: openai.APIError) -> bool:
    """Whether a server or its gateway did not reply in time, or has no room for the question now."""
    has_late_status = isinstance(error, openai.APIStatusError) and error.status_code in (408, 504, 524)
    return isinstance(error, openai.APITimeoutError) or has_late_status or is_overload(error)


def is_overload(error: openai.APIError) -> bool:
    """Whether a server has no room for the question now."""
    return isinstance(error, openai.APIStatusError) and error.status_code in (503, 529)


def is_quota_error(error: openai.OpenAIError) -> bool:
    """Whether the account is out of quota, so that waiting does not help."""
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    return status == 402 or (isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota")


def is_unreachable(error: openai.OpenAIError) -> bool:
    causes = (httpx2.ConnectError, httpx2.ProxyError)
    return isinstance(error, openai.APIConnectionError) and isinstance(error.__cause__, causes)


def has_reached_server(error: openai.OpenAIError) -> bool:
    """Whether a question without a reply may have reached the server, which may then charge for it."""
    return isinstance(error, openai.APIConnectionError) and not isinstance(error.__cause__, UNSENT_ERRORS)


def is_retryable(error: openai.OpenAIError, attempt: int) -> bool:
    """Whether a retry may bring a reply.

    After a time-out only one retry, since each attempt may cost money; one also where the format seems to be at fault.
    """
    if isinstance(error, openai.APITimeoutError):
        return attempt < 1
    if isinstance(error, openai.APIStatusError) and error.status_code == 501:
        return False
    if isinstance(error, openai.APIStatusError):
        names_refused_format = asks_for_format(error) and names_format(refusal_message(error))
        is_passing = error.status_code in (408, 409, 425, 429) or error.status_code >= 500
        return is_passing and not is_quota_error(error) and not (names_refused_format and attempt >= 1)
    return isinstance(error, openai.APIConnectionError)


def host_and_port(url: str) -> str:
    """The host and port of a URL, without a password or path; raises DescriberError for an invalid address."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        host = ""
    if not host or parts.scheme not in ("http", "https") or not url.isprintable() or " " in url:
        raise DescriberError("The server address is not valid: give --base-url as in http://127.0.0.1:8000/v1.")
    return host


def validate_model_name(model: str) -> str:
    """The name of a model; raises DescriberError if it is not valid UTF-8."""
    try:
        model.encode()
    except UnicodeEncodeError:
        raise DescriberError("The model name is not valid UTF-8: type it again.") from None
    return model
