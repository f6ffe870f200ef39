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
SMALLEST_ALLOWANCE = 1024  # tokens for thoughts; a server without room for them gets none
AMOUNT_PATTERN = re.compile(
    r"too (large|long|high|big|many)|exceed|at most|maximum|less than|fewer|afford|greater|between|range"
)
CONTEXT_PATTERN = re.compile(r"context.?(length|size|window)|too many tokens")
FORMAT_WORDS = ("response_format", "json_schema", "json_object", "structured output")
# A server error that names one of these is about the form of the reply: they are parts of servers that enforce it.
ENFORCER_WORDS = (*FORMAT_WORDS, "json schema", "grammar", "guided", "guidance", "outlines")


class ReplyFormat(IntEnum):
    """How the form of the reply is enforced, from the strictest to not at all.

    By JSON schema (`json_schema`), by JSON mode with the schema in it (llama-cpp-python, Together), by JSON mode, not.
    """

    SCHEMA = 0
    JSON_WITH_SCHEMA = 1
    JSON = 2
    TEXT = 3


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
    `thinks`: whether the model thinks before it answers, so that `reasoning_tokens` are added to the limit of the
    question. `token_limit`: replaces that sum.
    """

    reply_format: ReplyFormat = ReplyFormat.SCHEMA
    sends_seed: bool = True
    limit_names: tuple[str, ...] = LIMIT_NAMES
    thinks: bool = False
    reasoning_tokens: int = REASONING_TOKENS
    token_limit: int | None = None

    @classmethod
    def for_model(cls, model: str, token_limit: int | None = None) -> RequestOptions:
        """The options for a model: everything, unless its name is that of a reasoning model."""
        if REASONING_MODEL.fullmatch(model):
            return cls(
                sends_seed=False,
                limit_names=("max_completion_tokens",),
                thinks=True,
                token_limit=token_limit,
            )
        return cls(token_limit=token_limit)

    def request_body(self, model: str, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {"model": model, "messages": list(request.messages)}
        if self.limit_names:
            body[self.limit_names[0]] = self.max_reply_tokens(request)
        if self.sends_seed and request.seed is not None:
            body["seed"] = request.seed
        if request.schema is not None and self.reply_format != ReplyFormat.TEXT:
            body["response_format"] = self._response_format(request.schema)
        return body

    def _response_format(self, schema: dict[str, Any]) -> dict[str, Any]:
        if self.reply_format == ReplyFormat.SCHEMA:
            return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
        if self.reply_format == ReplyFormat.JSON_WITH_SCHEMA:
            return {"type": "json_object", "schema": schema}
        return {"type": "json_object"}

    def max_reply_tokens(self, request: ChatRequest) -> int:
        return self.token_limit or request.max_tokens + (self.reasoning_tokens if self.thinks else 0)

    def with_less_strict_format(self) -> RequestOptions:
        return replace(self, reply_format=ReplyFormat(self.reply_format + 1))

    def with_smaller_allowance(self) -> RequestOptions | None:
        """The options with half the tokens for thoughts, in the end none; None if there are none to take away."""
        if not self.thinks or not self.reasoning_tokens or self.token_limit:
            return None
        half = self.reasoning_tokens // 2
        return replace(self, reasoning_tokens=half if half >= SMALLEST_ALLOWANCE else 0)

    def without_refused(self, refusal: str, code: str, request: dict[str, Any]) -> RequestOptions | None:
        """The options without the parameter that the refusal of `request` names; None if leaving one out cannot help.

        If the question is too long with the tokens for thoughts, these are halved. If the refusal names no parameter,
        the form of the reply is enforced less strictly.
        """
        reason = refusal.lower()
        has_format = "response_format" in request
        if not reason:
            return None
        if code == "context_length_exceeded":
            return self.with_smaller_allowance()
        if has_format and any(word in reason for word in FORMAT_WORDS):
            return self.with_less_strict_format()
        if CONTEXT_PATTERN.search(reason) and (smaller := self.with_smaller_allowance()):
            return smaller
        if "seed" in request and re.search(r"\bseed\b", reason):
            return replace(self, sends_seed=False)
        if any(limit in reason for limit in LIMIT_NAMES) and any(limit in request for limit in LIMIT_NAMES):
            # "max_tokens is too large" is about the amount; another name for the limit would not help.
            is_amount = AMOUNT_PATTERN.search(reason)
            return self.with_smaller_allowance() if is_amount else replace(self, limit_names=self.limit_names[1:])
        return self.with_less_strict_format() if has_format else None

    def combined_with(self, other: RequestOptions) -> RequestOptions:
        """The options that remain after the refusals that either of the two has seen."""
        return replace(
            self,
            reply_format=max(self.reply_format, other.reply_format),
            sends_seed=self.sends_seed and other.sends_seed,
            limit_names=min(self.limit_names, other.limit_names, key=len),
            thinks=self.thinks or other.thinks,
            reasoning_tokens=min(self.reasoning_tokens, other.reasoning_tokens),
        )


def names_format(message: str) -> bool:
    """Whether the message of a server error is about the form of the reply that was asked for."""
    words = message.lower()
    return any(word in words for word in ENFORCER_WORDS)
