"""The terms on which a model is asked: which optional parameters it is sent. What it refuses is left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from maps.llm.messages import Message

# Families that think before they answer: they refuse temperature, seed and max_tokens, and their thoughts count.
THINKING = re.compile(r"(.*/)?(o\d|gpt-([5-9]|\d\d))\b.*")
THOUGHTS = 8192  # tokens on top of the reply's
LIMITS = ("max_tokens", "max_completion_tokens")
AMOUNT = re.compile(r"too (large|long|high|big|many)|exceed|at most|maximum|less than|greater|between|range")
FORMAT_WORDS = ("response_format", "json_schema", "json_object", "structured output")


class Format(IntEnum):
    """How the form of a reply is demanded, from strict to not at all."""

    SCHEMA = 0
    JSON = 1
    TEXT = 2


@dataclass(frozen=True)
class Question:
    """What one question is made of, whatever the terms."""

    messages: Sequence[Message]
    seed: int | None
    schema: dict[str, Any] | None
    max_tokens: int


@dataclass(frozen=True)
class Terms:
    """What a model is sent beside the messages.

    `limits`: the names for the reply's limit, best first; without any, none is sent. `thoughts`: tokens that a reply
    may have on top of what the question needs. `tokens`: the limit itself in place of both.
    """

    format: Format = Format.SCHEMA
    seed: bool = True
    limits: tuple[str, ...] = LIMITS
    thoughts: int = 0
    tokens: int | None = None

    @classmethod
    def of(cls, model: str, tokens: int | None = None) -> Terms:
        """The terms that are known to suit a model of that name; every other model is sent everything."""
        if THINKING.fullmatch(model):
            return cls(seed=False, limits=("max_completion_tokens",), thoughts=THOUGHTS, tokens=tokens)
        return cls(tokens=tokens)

    def body(self, model: str, question: Question) -> dict[str, Any]:
        """The question as the server is sent it."""
        body: dict[str, Any] = {"model": model, "messages": list(question.messages)}
        if self.limits:
            body[self.limits[0]] = self.most(question)
        if self.seed and question.seed is not None:
            body["seed"] = question.seed
        if question.schema is not None and self.format == Format.SCHEMA:
            schema = {"name": "answer", "strict": True, "schema": question.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if question.schema is not None and self.format == Format.JSON:
            body["response_format"] = {"type": "json_object"}
        return body

    def most(self, question: Question) -> int:
        """The most tokens that a reply can cost."""
        return self.tokens or question.max_tokens + self.thoughts

    def without(self, complaint: str, code: str, sent: dict[str, Any]) -> Terms | None:
        """The terms without what a refusal (of the request `sent`) speaks of; None where leaving out can't help.

        A refusal that names none of the parameters is put down to the form of the reply.
        """
        said = complaint.lower()
        if not said or code == "context_length_exceeded":
            return None
        if "response_format" in sent and any(word in said for word in FORMAT_WORDS):
            return replace(self, format=Format(self.format + 1))
        if "seed" in sent and re.search(r"\bseed\b", said):
            return replace(self, seed=False)
        if any(limit in said for limit in LIMITS) and any(limit in sent for limit in LIMITS):
            return None if AMOUNT.search(said) else replace(self, limits=self.limits[1:])
        return replace(self, format=Format(self.format + 1)) if "response_format" in sent else None

    def joined(self, other: Terms) -> Terms:
        """What both have learned."""
        return replace(
            self,
            format=max(self.format, other.format),
            seed=self.seed and other.seed,
            limits=min(self.limits, other.limits, key=len),
        )
