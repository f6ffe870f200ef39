"""Endpoints that ask a model's weights: a token, a pair, or own pairs put to every head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from maps.errors import MapsError
from maps.mapping.probe_results import OwnRelation, Probe
from maps.text import many
from space.endpoints.values import plain
from space.pages.try_it.question import Asked
from space.services import Services
from space.web.sessions import Asking
from space.web.visitors import put


def endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The functions, by the names of their endpoints."""

    def ask(source: str, target: str = "", request: gr.Request | None = None) -> dict:  # type: ignore[type-arg]
        """Which heads of the bundled model promote a pair or a token, computed from its weights.

        Args:
            source: a word that is a single token of the model
            target: another; where it is left out, the source is asked about alone
        """
        return asked(services, {"source": source, "target": target}, request)

    def score_pairs(pairs: str, request: gr.Request | None = None) -> dict:  # type: ignore[type-arg]
        """The score and suppression of every head of the bundled model on a relation of your own.

        Args:
            pairs: one pair a line, source and target with a comma between them
        """
        return asked(services, {"pairs": pairs}, request)

    return ask, score_pairs


def asked(services: Services, query: dict[str, object], asking: Asking | None) -> dict[str, Any]:
    """The answer to what a page's address would ask, for whoever asks."""
    question = Asked.of({name: value if isinstance(value, str) else "" for name, value in query.items()})
    if question.odd:
        raise MapsError(f"{many(len(question.odd), 'line')} without a source and a target; mend them and ask again.")
    if not question.something:
        raise MapsError("There is no question; give a source, or pairs.")
    found: Probe | OwnRelation = put(services, question.put, asking)
    answer: dict[str, Any] = plain(asdict(found))
    return answer
