"""Endpoints that ask a model's weights: a token, a pair, or own pairs put to every head."""

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
    """The functions, by the names of their endpoints."""

    def ask(source: str, target: str = "", request: gr.Request | None = None) -> dict:  # type: ignore[type-arg]
        """Which heads of the bundled model promote a pair or a token, computed from its weights.

        Args:
            source: a word that is a single token of the model
            target: another; where it is left out, the source is asked about alone
        """
        return answer_query(services, {"source": source, "target": target}, request)

    def score_pairs(pairs: str, request: gr.Request | None = None) -> dict:  # type: ignore[type-arg]
        """The score and suppression of every head of the bundled model on a relation of your own.

        Args:
            pairs: one pair a line, source and target with a comma between them
        """
        return answer_query(services, {"pairs": pairs}, request)

    return ask, score_pairs


def answer_query(services: Services, query: dict[str, object], request: HasRequest | None) -> dict[str, Any]:
    """The answer to what a page's address would ask, for whoever asks."""
    question = TryQuestion.parse({name: value if isinstance(value, str) else "" for name, value in query.items()})
    if question.invalid_lines:
        raise MapsError(
            f"{pluralize(len(question.invalid_lines), 'line')} without a source and a target; mend them and ask again."
        )
    if not question.has_question:
        raise MapsError("There is no question; give a source, or pairs.")
    found: Probe | OwnPairsResult = ask_within_limit(services, question.live_question, request)
    answer: dict[str, Any] = json_value(asdict(found))
    return answer
