"""What a chat-completions server answers, read with distrust: any shape may come."""

from __future__ import annotations

from typing import Any, NamedTuple

from maps.errors import ReplyError


class Reply(NamedTuple):
    """A reply and where it came from. What the server does not say is None; so is a seed that was not sent."""

    content: str
    model: str
    fingerprint: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    seed: int | None


class TokenUsage(NamedTuple):
    """The tokens of one question, as the server counted them; `cached_tokens` of the prompt's cost less."""

    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int


def token_usage(answer: object) -> TokenUsage:
    """The tokens that an answer says it used."""
    usage = object_at(answer, "usage")
    return TokenUsage(
        _token_count_at(usage, "prompt_tokens"),
        _token_count_at(usage, "completion_tokens"),
        _token_count_at(object_at(usage, "prompt_tokens_details"), "cached_tokens") or 0,
    )


def reply_text(answer: object, max_tokens: int) -> str:
    """The reply's text; raises ReplyError where the server sent none, cut it off or withheld it."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise ReplyError("The server's answer holds no reply.")
    if choice.get("finish_reason") == "length":
        raise ReplyError(f"The reply was cut off after {max_tokens} tokens.")
    if choice.get("finish_reason") == "content_filter":
        raise ReplyError("The server's content filter withheld the reply.")
    message = object_at(choice, "message")
    refusal, content = message.get("refusal"), message.get("content")
    if isinstance(refusal, str) and refusal.strip():
        raise ReplyError(f"The reply is a refusal: {' '.join(refusal.split())[:80]}")
    if not isinstance(content, str) or not content.strip():
        raise ReplyError("The reply is empty.")
    return content


def string_at(answer: object, key: str) -> str | None:
    """A string of the answer, None where it has none."""
    value = answer.get(key) if isinstance(answer, dict) else None
    return value if isinstance(value, str) and value else None


def object_at(value: object, key: str) -> dict[str, Any]:
    """The object under a key, an empty one where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _token_count_at(value: dict[str, Any], key: str) -> int | None:
    number = value.get(key)
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**31 else None
