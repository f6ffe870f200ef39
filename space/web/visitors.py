"""Who asks the weights, and how often they may: on a Space, where all share two cores and one child process.

A visitor is the login, else the address that the Space's proxies saw: of `X-Forwarded-For` the last public one, since
what stands before it a visitor may have written. Nothing of it is stored. Off a Space nobody is limited.
"""

from __future__ import annotations

from ipaddress import ip_address

from space.live.worker import LiveAnswer, LiveQuestion
from space.services import Services
from space.web.sessions import HasRequest, login_name


def ask_within_limit(services: Services, question: LiveQuestion, request: HasRequest | None) -> LiveAnswer:
    """A question to the weights by whoever asks; raises MapsError with one sentence where there is no answer."""
    if services.is_on_space and services.live_model.model_name is not None:
        services.rate_limiter.consume(visitor_id(request))
    return services.live_model.ask(question)


def visitor_id(request: HasRequest | None) -> str:
    """Who asks, as far as a limit needs to know."""
    if request is None or request.request is None:
        return "nobody"
    if (name := login_name(request)) is not None:
        return f"login {name}"
    passed = str(request.request.headers.get("x-forwarded-for", "")).split(",")
    public = [text.strip() for text in passed if is_public_address(text.strip())]
    client = request.request.client
    return public[-1] if public else str(client.host if client else "nobody")


def is_public_address(text: str) -> bool:
    """Whether a text is an address of the Internet."""
    try:
        return ip_address(text).is_global
    except ValueError:
        return False
