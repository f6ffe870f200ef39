"""Reads the answers of a chat-completions server. An answer can be JSON of any shape, so everything is checked."""

from __future__ import annotations

from typing import Any, NamedTuple

from maps.errors import ReplyError
from maps.llm.hidden_errors import hidden_error
from maps.llm.messages import EXCERPT_LENGTH, MORE_TOKENS_ADVICE
from maps.llm.sanitise import message_in_body
from maps.llm.thoughts import OBJECT_START, shows_thoughts
from maps.text import shorten

MAX_REPLY_LENGTH = 100_000  # characters
MAX_NAME_LENGTH = 500  # characters of the model's name
MAX_ERROR_LENGTH = 200  # characters of a server's words
CUT_REASONS = ("length", "max_tokens", "model_length")  # why a reply ended, in the words of several servers
# Where servers put a model's thoughts, apart from the reply.
THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks")


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
    choice = _first_choice(answer)
    if not choice or choice.get("error"):
        body = (hidden_error(answer) or answer) if isinstance(answer, dict | list) else None
        words = shorten(message_in_body(body), MAX_ERROR_LENGTH)
        raise ReplyError(f"The server's answer contains no reply{f': {words}' if words else '.'}")
    if is_cut(answer):
        raise ReplyError(_cut_message(answer, max_tokens))
    if choice.get("finish_reason") == "content_filter":
        raise ReplyError("The server's content filter withheld the reply.")
    message = object_at(choice, "message")
    refusal, content = message.get("refusal"), content_text(message)
    if isinstance(refusal, str) and refusal.strip():
        raise ReplyError(f"The reply is a refusal: {shorten(refusal, EXCERPT_LENGTH)}")
    if not content.strip():
        key = _key_of_thoughts(message)
        where = f": the server sent all text as `{key}`, the model's thoughts: {MORE_TOKENS_ADVICE}" if key else ""
        raise ReplyError(f"The reply is empty{where}.")
    if len(content) > MAX_REPLY_LENGTH:
        raise ReplyError(f"The reply has {len(content):,} characters; at most {MAX_REPLY_LENGTH:,} are read.")
    return content


def content_text(message: dict[str, Any]) -> str:
    """The text of a message: a string, or a list of parts, of which those with thoughts or pictures are left out."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    texts = [part["text"] if isinstance(part, dict) and _is_text_part(part) else part for part in parts]
    return "".join(text for text in texts if isinstance(text, str))


def shows_thinking(answer: object) -> bool:
    """Whether the model thought before it answered: thoughts in the reply, apart from it, or in the token counts."""
    message = object_at(_first_choice(answer), "message")
    details = object_at(object_at(answer, "usage"), "completion_tokens_details")
    if _token_count_at(details, "reasoning_tokens") or _key_of_thoughts(message):
        return True
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    if any(isinstance(part, dict) and part.get("type") in ("thinking", "reasoning") for part in parts):
        return True
    return shows_thoughts(content_text(message)[:MAX_REPLY_LENGTH])


def is_cut(answer: object) -> bool:
    """Whether the reply was cut off: it has as many tokens as it may have, or the server's context is full."""
    reason = _first_choice(answer).get("finish_reason")
    return isinstance(reason, str) and reason.lower() in CUT_REASONS


def is_cut_before_answer(answer: object) -> bool:
    """Whether the reply was cut off before an object began: the model thought in plain words, or where nobody sees it.

    A reply that is cut off inside its object is one that would not end; more tokens would be spent for nothing.
    """
    content = content_text(object_at(_first_choice(answer), "message"))
    return is_cut(answer) and OBJECT_START.search(content) is None


def _first_choice(answer: object) -> dict[str, Any]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else {}


def _cut_message(answer: object, max_tokens: int) -> str:
    written = token_usage(answer).completion_tokens
    if shows_thinking(answer):
        cause, remedy = f"after {max_tokens} tokens, with the model's thoughts among them", MORE_TOKENS_ADVICE
    elif written is not None and written < max_tokens:
        cause = f"after {written} of {max_tokens} tokens"
        remedy = "give the server a longer context; if it is not full, raise --max-tokens"
    else:
        cause, remedy = f"after {max_tokens} tokens", "raise --max-tokens"
    return f"The reply was cut off {cause}: {remedy}."


def _is_text_part(part: dict[str, Any]) -> bool:
    return part.get("type", "text") in ("text", "output_text") and "text" in part


def _key_of_thoughts(message: dict[str, Any]) -> str | None:
    """The key under which a message has thoughts, apart from its content; None if it has none."""
    return next((key for key in THOUGHT_KEYS if isinstance(message.get(key), str | list) and message[key]), None)


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
