"""What a server sends, made harmless: any shape, any depth, half characters, and the key that it may repeat."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

PART = 8  # characters of the key from which on a part of it is hidden too
PLACEHOLDER = 4  # a key of fewer characters guards nothing
MASK = "[key]"
WORDS = ("message", "msg", "detail", "details", "error", "errors", "error_description", "title", "reason")
DEEPEST = 6  # objects within objects in which a refusal's words are looked for


def read_json(text: str | bytes) -> Any:
    """The JSON value of a text; raises ValueError where it is none, or nested deeper than can be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def masking(key: str) -> Callable[[str], str]:
    """A function that hides the key in a text, whole or from eight characters on.

    Placeholders such as EMPTY, none or ollama are left, as they guard nothing and may be words of a reply.
    """
    length = min(PART, len(key))
    if length < PLACEHOLDER or (length < PART and key.isalpha()):
        return str
    parts = {key[start : start + length] for start in range(len(key) - length + 1)}

    def masked(text: str) -> str:
        pieces, end = [], 0
        for start in range(len(text) - length + 1):
            if text[start : start + length] in parts:
                pieces += [text[end:start], MASK] if start >= end else []
                end = start + length
        return "".join([*pieces, text[end:]])

    return masked


def whole(text: str) -> str:
    """The text with half characters (lone surrogates) written as escapes, so that it can be stored."""
    return text.encode("utf-8", "backslashreplace").decode()


def cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """A JSON value with every string cleaned, of whatever shape; raises ValueError where it is nested too deeply."""
    try:
        return _cleaned(value, clean)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(part, clean) for part in value]
    if isinstance(value, dict):
        return {key: _cleaned(part, clean) for key, part in value.items()}
    return value


def words_of(body: object, depth: int = 0) -> str:
    """What a refusal says, in whatever form: OpenAI's, FastAPI's, a bare string; empty where it says nothing.

    Of the request, which some servers repeat, nothing is taken.
    """
    if isinstance(body, str):
        return body.strip()
    if depth > DEEPEST:
        return ""
    if isinstance(body, dict):
        said = " ".join(filter(None, (words_of(body[name], depth + 1) for name in WORDS if name in body)))
        place = body.get("loc")  # as ["body", "seed"]
        return f"{'.'.join(map(str, place))}: {said}" if isinstance(place, list) and said else said
    if isinstance(body, list):
        return "; ".join(filter(None, (words_of(part, depth + 1) for part in body)))
    return ""
