"""The terms on which a model is asked: which optional parameters it is sent. What it refuses is left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from maps.llm.messages import Message

# Families that think before they answer: they refuse temperature, seed and max_tokens, and their thoughts count.
REASONING_MODEL = re.compile(r"(.*/)?(o\d|gpt-([5-9]|\d\d))\b.*")
REASONING_TOKENS = 8192  # tokens on top of the reply's
LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
AMOUNT_PATTERN = re.compile(r"too (large|long|high|big|many)|exceed|at most|maximum|less than|greater|between|range")
FORMAT_WORDS = ("response_format", "json_schema", "json_object", "structured output")


class ReplyFormat(IntEnum):
    """How the form of a reply is demanded, from strict to not at all."""

    SCHEMA = 0
    JSON = 1
    TEXT = 2


@dataclass(frozen=True)
class ChatRequest:
    """What one question is made of, whatever the terms."""

    messages: Sequence[Message]
    seed: int | None
    schema: dict[str, Any] | None
    max_tokens: int


@dataclass(frozen=True)
class RequestOptions:
    """What a model is sent beside the messages.

    `limit_names`: the names for the reply's limit, best first; without any, none is sent. `reasoning_tokens`: tokens that a reply
    may have on top of what the question needs. `token_limit`: the limit itself in place of both.
    """

    reply_format: ReplyFormat = ReplyFormat.SCHEMA
    sends_seed: bool = True
    limit_names: tuple[str, ...] = LIMIT_NAMES
    reasoning_tokens: int = 0
    token_limit: int | None = None

    @classmethod
    def for_model(cls, model: str, token_limit: int | None = None) -> RequestOptions:
        """The terms that are known to suit a model of that name; every other model is sent everything."""
        if REASONING_MODEL.fullmatch(model):
            return cls(
                sends_seed=False,
                limit_names=("max_completion_tokens",),
                reasoning_tokens=REASONING_TOKENS,
                token_limit=token_limit,
            )
        return cls(token_limit=token_limit)

    def request_body(self, model: str, request: ChatRequest) -> dict[str, Any]:
        """The question as the server is sent it."""
        body: dict[str, Any] = {"model": model, "messages": list(request.messages)}
        if self.limit_names:
            body[self.limit_names[0]] = self.max_reply_tokens(request)
        if self.sends_seed and request.seed is not None:
            body["seed"] = request.seed
        if request.schema is not None and self.reply_format == ReplyFormat.SCHEMA:
            schema = {"name": "answer", "strict": True, "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if request.schema is not None and self.reply_format == ReplyFormat.JSON:
            body["response_format"] = {"type": "json_object"}
        return body

    def max_reply_tokens(self, request: ChatRequest) -> int:
        """The most tokens that a reply can cost."""
        return self.token_limit or request.max_tokens + self.reasoning_tokens

    def without_refused(self, refusal: str, code: str, request: dict[str, Any]) -> RequestOptions | None:
        """The terms without what a refusal (of the request `request`) speaks of; None where leaving out can't help.

        A refusal that names none of the parameters is put down to the form of the reply.
        """
        said = refusal.lower()
        if not said or code == "context_length_exceeded":
            return None
        if "response_format" in request and any(word in said for word in FORMAT_WORDS):
            return replace(self, reply_format=ReplyFormat(self.reply_format + 1))
        if "seed" in request and re.search(r"\bseed\b", said):
            return replace(self, sends_seed=False)
        if any(limit in said for limit in LIMIT_NAMES) and any(limit in request for limit in LIMIT_NAMES):
            return None if AMOUNT_PATTERN.search(said) else replace(self, limit_names=self.limit_names[1:])
        return replace(self, reply_format=ReplyFormat(self.reply_format + 1)) if "response_format" in request else None

    def combined_with(self, other: RequestOptions) -> RequestOptions:
        """What both have learned."""
        return replace(
            self,
            reply_format=max(self.reply_format, other.reply_format),
            sends_seed=self.sends_seed and other.sends_seed,
            limit_names=min(self.limit_names, other.limit_names, key=len),
        )
