"""Who asks the weights, and how often they may: on a Space, where all share two cores and one child process.

A visitor is the login, else the address that the Space's proxies saw: of `X-Forwarded-For` the last public one, since
what stands before it a visitor may have written. Nothing of it is stored. Off a Space nobody is limited.
"""

from __future__ import annotations

from ipaddress import ip_address

from space.live.worker import Answer, Question
from space.services import Services
from space.web.sessions import Asking, logged_in


def put(services: Services, question: Question, asking: Asking | None) -> Answer:
    """A question to the weights by whoever asks; raises MapsError with one sentence where there is no answer."""
    if services.on_space and services.live.model is not None:
        services.limits.take(visitor(asking))
    return services.live.ask(question)


def visitor(asking: Asking | None) -> str:
    """Who asks, as far as a limit needs to know."""
    if asking is None or asking.request is None:
        return "nobody"
    if (name := logged_in(asking)) is not None:
        return f"login {name}"
    passed = str(asking.request.headers.get("x-forwarded-for", "")).split(",")
    public = [text.strip() for text in passed if is_public(text.strip())]
    client = asking.request.client
    return public[-1] if public else str(client.host if client else "nobody")


def is_public(text: str) -> bool:
    """Whether a text is an address of the Internet."""
    try:
        return ip_address(text).is_global
    except ValueError:
        return False
