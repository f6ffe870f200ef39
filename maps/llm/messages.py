"""Chat messages and the JSON objects in replies."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import TypedDict

from maps.errors import ReplyError
from maps.llm.thoughts import DECODER, text_behind_thoughts
from maps.text import shorten

EXCERPT_LENGTH = 80  # characters of a reply that an error message quotes
MORE_TOKENS_ADVICE = "raise --max-tokens, or switch off the model's thinking at the server"

FENCED_BLOCK = re.compile(r"```\w*[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)
REFUSAL_PATTERN = re.compile(
    r"(I['’]m|I am) (sorry|unable)\b|(Sorry, )?I (can['’]?t|cannot)\b|As an AI\b", re.IGNORECASE
)


class Message(TypedDict):
    """One message of a chat."""

    role: str
    content: str


def prompt_hash(messages: Sequence[Message]) -> str:
    """SHA-256, in hexadecimal, of the messages as compact JSON with sorted keys in UTF-8."""
    text = json.dumps(list(messages), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def parse_json_object(text: str, keys: Sequence[str]) -> dict[str, object]:
    """The JSON object in a reply: bare, inside a ``` fence, or with words around it; never one in a model's thoughts.

    With words around it, the object must have all the keys and be the only text in braces. Raises ReplyError if the
    reply is empty, a refusal or contains no such object.
    """
    if not text.strip():
        raise ReplyError("The reply is empty.")
    reply = text_behind_thoughts(text).strip()
    if not reply:
        raise ReplyError(f"The reply contains the model's thoughts and no answer: {MORE_TOKENS_ADVICE}.")
    fence = FENCED_BLOCK.search(reply)
    for candidate in (reply, fence[1] if fence else ""):
        try:
            answer = json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
        if isinstance(answer, dict):
            return answer
    if REFUSAL_PATTERN.match(reply):
        raise ReplyError(f"The reply is a refusal: {shorten(reply, EXCERPT_LENGTH)}")
    answer = _object_among_words(reply)
    if answer is None or not answer.keys() >= set(keys):
        raise ReplyError(f"The reply is not a JSON object: {shorten(reply, EXCERPT_LENGTH)}")
    return answer


def _object_among_words(reply: str) -> dict[str, object] | None:
    """The JSON object that begins at the first brace; None if it is cut off, in a list, or followed by other braces."""
    start = reply.find("{")
    if start < 0:
        return None
    try:
        answer, end = DECODER.raw_decode(reply, start)
    except (ValueError, RecursionError):
        return None
    if {"{", "}"} & set(reply[end:]) or reply[:start].rstrip().endswith("["):
        return None
    found: dict[str, object] = answer
    return found
