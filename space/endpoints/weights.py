"""Endpoints that compute from the model's weights how every head acts on a token, a pair, or your own pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from maps.errors import MapsError
from maps.mapping.probe_results import OwnPairsResult, Probe
from maps.text import pluralize
from space.endpoints.values import json_value
from space.pages.try_it.question import TryQuestion
from space.services import Services
from space.web.sessions import HasRequest
from space.web.visitors import ask_within_limit


def endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The endpoints of this module."""

    def ask(source: str, target: str = "", request: gr.Request | None = None) -> dict:  # type: ignore[type-arg]
        """The heads of the bundled model that promote a pair or a token, computed from its weights.

        Args:
            source: a word that is a single token of the model
            target: another such word; default: the source alone
        """
        return answer_query(services, {"source": source, "target": target}, request)

    def score_pairs(pairs: str, request: gr.Request | None = None) -> dict:  # type: ignore[type-arg]
        """The score and suppression of every head of the bundled model on a relation of your own.

        Args:
            pairs: one pair per line, source and target separated by a comma
        """
        return answer_query(services, {"pairs": pairs}, request)

    return ask, score_pairs


def answer_query(services: Services, query: dict[str, object], request: HasRequest | None) -> dict[str, Any]:
    """The answer to the question in a query, which has the names of the page's address, and the reading it is in."""
    question = TryQuestion.parse({name: value if isinstance(value, str) else "" for name, value in query.items()})
    if question.invalid_lines:
        lines = pluralize(len(question.invalid_lines), "line")
        raise MapsError(f"{lines} without a source and a target; correct them and try again.")
    if not question.has_question:
        raise MapsError("There is no question; give a source or pairs.")
    result: Probe | OwnPairsResult = ask_within_limit(services, question.live_question, request)
    answer: dict[str, Any] = json_value(asdict(result))
    return answer | {"reading": services.live_model.reading.name}
