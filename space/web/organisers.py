"""Handlers that only organisers may call: who asks is found out at each call, on the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, Protocol, TypeVar

import gradio as gr

from maps.errors import MapsError
from space.components.markup import notice
from space.services import Services
from space.web import sessions
from space.web.errors import show_errors
from space.web.sessions import Annotator
from space.web.updates import PRIVATE_EVENT, Inputs, Updates

ORGANISERS_ONLY = "Only an organiser can do that. Reload the page and sign in as one."


class HasOrganiserToken(Protocol):
    """A page with handlers for organisers: `organiser_token` is what their browser keeps."""

    services: Services
    organiser_token: gr.BrowserState


Page = TypeVar("Page", bound=HasOrganiserToken)


def for_organisers(
    page: Page, handler: Callable[Concatenate[Page, Annotator, Inputs, ...], Updates], *extra: Any
) -> Any:
    """Wraps a handler so that it runs for organisers only; everybody else gets an error."""

    def handle(inputs: dict[Any, Any], request: gr.Request) -> Any:
        organiser = sessions.identify_organiser(page.services, inputs[page.organiser_token], request)
        if organiser is None:
            raise MapsError(ORGANISERS_ONLY)
        return handler(page, organiser, inputs, *extra) or gr.skip()

    handle.__name__ = handler.__name__  # Gradio names the endpoint after it
    return show_errors(handle)


def for_organisers_at_address(page: Page, handler: Callable[[Page, Annotator, Inputs, str], Updates]) -> Any:
    """The same for a handler that also gets the app's address, as the organiser's browser knows it."""

    def handle(inputs: dict[Any, Any], request: gr.Request) -> Any:
        address = sessions.own_address(page.services, request)
        return for_organisers(page, handler, address)(inputs, request)

    handle.__name__ = handler.__name__
    return handle


def with_problems_in(message: gr.HTML, handler: Callable[Concatenate[Page, Annotator, Inputs, ...], Updates]) -> Any:
    """A handler whose MapsErrors are shown in this message, where they stay."""

    @wraps(handler)
    def handle(page: Page, organiser: Annotator, inputs: Inputs, *extra: Any) -> Updates:
        try:
            return handler(page, organiser, inputs, *extra)
        except MapsError as error:
            return {message: notice(str(error), "problem")}

    return handle


def connect_buttons(
    page: Page, message: gr.HTML, inputs: set[Any], handlers: Mapping[gr.Button, Callable[..., Updates]]
) -> None:
    """Has each button call its handler, for organisers only; all that a handler says is in this message."""
    for button, handler in handlers.items():
        guarded = for_organisers(page, with_problems_in(message, handler))
        button.click(guarded, inputs, [message], **PRIVATE_EVENT)
