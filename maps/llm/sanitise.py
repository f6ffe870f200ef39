"""Makes JSON from a server safe to read and store: deep nesting, lone surrogates, repeated API keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

MASKED_LENGTH = 8  # every part of the key with at least so many characters is masked
MIN_KEY_LENGTH = 4  # a shorter key protects nothing and is not masked
KEY_MASK = "[key]"
MESSAGE_KEYS = (
    *("message", "msg", "detail", "details", "error", "errors", "error_description", "title", "reason"),
    *("metadata", "raw"),  # OpenRouter's: the words of the provider behind it
)
MAX_MESSAGE_DEPTH = 6  # levels of nesting that are searched for an error message


def read_json(text: str | bytes) -> Any:
    """The JSON value of a text; raises ValueError if it is not JSON or nested too deeply.

    A raw newline or tab inside a string is accepted.
    """
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def make_key_mask(key: str) -> Callable[[str], str]:
    """A function that masks the key in a text, and every part of it with at least eight characters.

    For the key `sk-secret-key`, `Bad key sk-secret-k***` becomes `Bad key [key]***`. Placeholders such as
    EMPTY, none or ollama are not masked: they protect nothing and may be words of a reply.
    """
    length = min(MASKED_LENGTH, len(key))
    if length < MIN_KEY_LENGTH or (length < MASKED_LENGTH and key.isalpha()):
        return str
    parts = {key[start : start + length] for start in range(len(key) - length + 1)}

    def mask(text: str) -> str:
        pieces, end = [], 0
        for start in range(len(text) - length + 1):
            if text[start : start + length] in parts:
                pieces += [text[end:start], KEY_MASK] if start >= end else []
                end = start + length
        return "".join([*pieces, text[end:]])

    return mask


def escape_surrogates(text: str) -> str:
    """The text with lone surrogates (half characters) as escapes, so that it can be stored in UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def sanitise_json(value: Any, sanitise_text: Callable[[str], str]) -> Any:
    """A JSON value with `sanitise_text` applied to every string; raises ValueError if it is nested too deeply."""
    try:
        return _sanitise_json(value, sanitise_text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _sanitise_json(value: Any, sanitise_text: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return sanitise_text(value)
    if isinstance(value, list):
        return [_sanitise_json(part, sanitise_text) for part in value]
    if isinstance(value, dict):
        return {key: _sanitise_json(part, sanitise_text) for key, part in value.items()}
    return value


def message_in_body(body: object, depth: int = 0) -> str:
    """The error message in a response body: OpenAI's form, FastAPI's, or a bare string; empty if there is none.

    Only known keys are read, since some servers repeat the request in the body.
    """
    if isinstance(body, str):
        return body.strip()
    if depth > MAX_MESSAGE_DEPTH:
        return ""
    if isinstance(body, dict):
        parts = [message_in_body(body[key], depth + 1) for key in MESSAGE_KEYS if key in body]
        message = " ".join(filter(None, parts))
        location = body.get("loc")  # FastAPI's, such as ["body", "seed"]
        return f"{'.'.join(map(str, location))}: {message}" if isinstance(location, list) and message else message
    if isinstance(body, list):
        return "; ".join(filter(None, (message_in_body(part, depth + 1) for part in body)))
    return ""
