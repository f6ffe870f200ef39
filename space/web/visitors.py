"""Limits how often a visitor may ask a model's weights. On a Space all visitors share two cores and one child process.

A visitor is identified by the login, or else by the network address that the Space's proxies saw: the last public
address in `X-Forwarded-For`, because a visitor can write anything before it. This is kept in memory only. Off a Space
there is no limit, and only the address of the connection counts.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import overload

from maps.experiments.sentence_results import HeadOnSentence, SentenceQuestion
from space.live.worker import LiveAnswer, LiveQuestion, ProbeAnswer, ProbeQuestion
from space.services import Services
from space.web.sessions import HasRequest, login_name


@overload
def ask_within_limit(services: Services, question: SentenceQuestion, request: HasRequest | None) -> HeadOnSentence: ...


@overload
def ask_within_limit(services: Services, question: ProbeQuestion, request: HasRequest | None) -> ProbeAnswer: ...


def ask_within_limit(services: Services, question: LiveQuestion, request: HasRequest | None) -> LiveAnswer:
    """Asks the weights for this visitor; raises MapsError if the limit is reached or there is no answer."""
    if services.is_on_space and services.live_model.model_name is not None:
        services.rate_limiter.consume(visitor_id(request))
    return services.live_model.ask(question)


def visitor_id(request: HasRequest | None) -> str:
    if request is None or request.request is None:
        return "nobody"
    if (name := login_name(request)) is not None:
        return f"login {name}"
    forwarded = str(request.request.headers.get("x-forwarded-for", "")).split(",")
    public = [text.strip() for text in forwarded if is_public_address(text.strip())]
    return public[-1] if public else connection_address(request)


def connection_address(request: HasRequest) -> str:
    """The network address at the other end of the connection."""
    client = request.request.client if request.request is not None else None
    return str(client.host if client else "nobody")


def is_public_address(text: str) -> bool:
    try:
        return ip_address(text).is_global
    except ValueError:
        return False
