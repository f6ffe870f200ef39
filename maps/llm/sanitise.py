"""What a server sends, made harmless: any shape, any depth, half characters, and the key that it may repeat."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

MASKED_LENGTH = 8  # characters of the key from which on a part of it is hidden too
MIN_KEY_LENGTH = 4  # a key of fewer characters guards nothing
KEY_MASK = "[key]"
MESSAGE_KEYS = ("message", "msg", "detail", "details", "error", "errors", "error_description", "title", "reason")
MAX_MESSAGE_DEPTH = 6  # objects within objects in which a refusal's words are looked for


def read_json(text: str | bytes) -> Any:
    """The JSON value of a text; raises ValueError where it is none, or nested deeper than can be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def make_key_mask(key: str) -> Callable[[str], str]:
    """A function that hides the key in a text, whole or from eight characters on.

    Placeholders such as EMPTY, none or ollama are left, as they guard nothing and may be words of a reply.
    """
    length = min(MASKED_LENGTH, len(key))
    if length < MIN_KEY_LENGTH or (length < MASKED_LENGTH and key.isalpha()):
        return str
    parts = {key[start : start + length] for start in range(len(key) - length + 1)}

    def masked(text: str) -> str:
        pieces, end = [], 0
        for start in range(len(text) - length + 1):
            if text[start : start + length] in parts:
                pieces += [text[end:start], KEY_MASK] if start >= end else []
                end = start + length
        return "".join([*pieces, text[end:]])

    return masked


def escape_surrogates(text: str) -> str:
    """The text with half characters (lone surrogates) written as escapes, so that it can be stored."""
    return text.encode("utf-8", "backslashreplace").decode()


def sanitise_json(value: Any, sanitise_text: Callable[[str], str]) -> Any:
    """A JSON value with every string cleaned, of whatever shape; raises ValueError where it is nested too deeply."""
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
    """What a refusal says, in whatever form: OpenAI's, FastAPI's, a bare string; empty where it says nothing.

    Of the request, which some servers repeat, nothing is taken.
    """
    if isinstance(body, str):
        return body.strip()
    if depth > MAX_MESSAGE_DEPTH:
        return ""
    if isinstance(body, dict):
        said = " ".join(filter(None, (message_in_body(body[name], depth + 1) for name in MESSAGE_KEYS if name in body)))
        place = body.get("loc")  # as ["body", "seed"]
        return f"{'.'.join(map(str, place))}: {said}" if isinstance(place, list) and said else said
    if isinstance(body, list):
        return "; ".join(filter(None, (message_in_body(part, depth + 1) for part in body)))
    return ""
