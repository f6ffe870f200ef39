"""Reads the answers of a chat-completions server. An answer can be JSON of any shape, so everything is checked."""

from __future__ import annotations

from typing import Any, NamedTuple

from maps.errors import ReplyError
from maps.llm.messages import EXCERPT_LENGTH
from maps.text import shorten

MAX_REPLY_LENGTH = 100_000  # characters
MAX_NAME_LENGTH = 500  # characters of the model's name


class Reply(NamedTuple):
    """A reply with its provenance. A value that the server does not report is None; so is a seed that was not sent."""

    content: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    seed: int | None


class TokenUsage(NamedTuple):
    """Tokens of one question, as counted by the server; `cached_tokens`: how many prompt tokens came from its cache."""

    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int


def token_usage(answer: object) -> TokenUsage:
    usage = object_at(answer, "usage")
    return TokenUsage(
        _token_count_at(usage, "prompt_tokens"),
        _token_count_at(usage, "completion_tokens"),
        _token_count_at(object_at(usage, "prompt_tokens_details"), "cached_tokens") or 0,
    )


def reply_text(answer: object, max_tokens: int) -> str:
    """The text of the reply; raises ReplyError if it is missing, cut off, withheld, a refusal or empty."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise ReplyError("The server's answer contains no reply.")
    if choice.get("finish_reason") == "length":
        raise ReplyError(f"The reply was cut off after {max_tokens} tokens: raise --max-tokens.")
    if choice.get("finish_reason") == "content_filter":
        raise ReplyError("The server's content filter withheld the reply.")
    message = object_at(choice, "message")
    refusal, content = message.get("refusal"), message.get("content")
    if isinstance(refusal, str) and refusal.strip():
        raise ReplyError(f"The reply is a refusal: {shorten(refusal, EXCERPT_LENGTH)}")
    if not isinstance(content, str) or not content.strip():
        raise ReplyError("The reply is empty.")
    if len(content) > MAX_REPLY_LENGTH:
        raise ReplyError(f"The reply has {len(content):,} characters; at most {MAX_REPLY_LENGTH:,} are read.")
    return content


def string_at(answer: object, key: str) -> str | None:
    """The non-empty string under a key, on one line and not longer than a name, or None."""
    value = answer.get(key) if isinstance(answer, dict) else None
    return shorten(value, MAX_NAME_LENGTH) if isinstance(value, str) and value else None


def object_at(value: object, key: str) -> dict[str, Any]:
    """The object under a key, or an empty one."""
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _token_count_at(value: dict[str, Any], key: str) -> int | None:
    number = value.get(key)
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**31 else None
