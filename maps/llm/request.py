"""Builds requests to a model: which optional parameters are sent, and which are left out after a refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from maps.llm.messages import Message

# Reasoning models refuse temperature, seed and max_tokens; their reasoning counts as reply tokens.
REASONING_MODEL = re.compile(r"(.*/)?(o\d|gpt-([5-9]|\d\d))\b.*")
REASONING_TOKENS = 8192  # added to the limit of the reply itself
LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
AMOUNT_PATTERN = re.compile(r"too (large|long|high|big|many)|exceed|at most|maximum|less than|greater|between|range")
FORMAT_WORDS = ("response_format", "json_schema", "json_object", "structured output")


class ReplyFormat(IntEnum):
    """How the form of the reply is enforced: by JSON schema, by JSON mode, not at all."""

    SCHEMA = 0
    JSON = 1
    TEXT = 2


@dataclass(frozen=True)
class ChatRequest:
    """One question, independent of the options that a model accepts."""

    messages: Sequence[Message]
    seed: int | None
    schema: dict[str, Any] | None
    max_tokens: int


@dataclass(frozen=True)
class RequestOptions:
    """Which optional parameters a model is sent with a question.

    `limit_names`: possible names of the parameter for the token limit, best first; if empty, no limit is sent.
    `reasoning_tokens`: tokens added to the limit of the question. `token_limit`: replaces that sum.
    """

    reply_format: ReplyFormat = ReplyFormat.SCHEMA
    sends_seed: bool = True
    limit_names: tuple[str, ...] = LIMIT_NAMES
    reasoning_tokens: int = 0
    token_limit: int | None = None

    @classmethod
    def for_model(cls, model: str, token_limit: int | None = None) -> RequestOptions:
        """The options for a model: everything, unless its name is that of a reasoning model."""
        if REASONING_MODEL.fullmatch(model):
            return cls(
                sends_seed=False,
                limit_names=("max_completion_tokens",),
                reasoning_tokens=REASONING_TOKENS,
                token_limit=token_limit,
            )
        return cls(token_limit=token_limit)

    def request_body(self, model: str, request: ChatRequest) -> dict[str, Any]:
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
        return self.token_limit or request.max_tokens + self.reasoning_tokens

    def without_refused(self, refusal: str, code: str, request: dict[str, Any]) -> RequestOptions | None:
        """The options without the parameter that the refusal of `request` names; None if leaving one out cannot help.

        If the refusal names no parameter, the form of the reply is enforced less strictly.
        """
        reason = refusal.lower()
        has_format = "response_format" in request
        if not reason or code == "context_length_exceeded":
            return None
        if has_format and any(word in reason for word in FORMAT_WORDS):
            return replace(self, reply_format=ReplyFormat(self.reply_format + 1))
        if "seed" in request and re.search(r"\bseed\b", reason):
            return replace(self, sends_seed=False)
        if any(limit in reason for limit in LIMIT_NAMES) and any(limit in request for limit in LIMIT_NAMES):
            # "max_tokens is too large" is about the amount; another name for the limit would not help.
            return None if AMOUNT_PATTERN.search(reason) else replace(self, limit_names=self.limit_names[1:])
        return replace(self, reply_format=ReplyFormat(self.reply_format + 1)) if has_format else None

    def combined_with(self, other: RequestOptions) -> RequestOptions:
        """The options that remain after the refusals that either of the two has seen."""
        return replace(
            self,
            reply_format=max(self.reply_format, other.reply_format),
            sends_seed=self.sends_seed and other.sends_seed,
            limit_names=min(self.limit_names, other.limit_names, key=len),
        )
