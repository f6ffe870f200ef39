"""Shows the message of a MapsError on the page, and lets visitors' work take turns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from html import escape
from typing import ParamSpec, TypeVar

import gradio as gr

from maps.errors import MapsError
from space.web.turns import in_turn

P = ParamSpec("P")
R = TypeVar("R")


def show_errors(handler: Callable[P, R]) -> Callable[P, R]:
    """A handler whose MapsErrors appear on the page as their message; other errors are not changed.

    Gradio makes HTML of an error's text, and messages quote what visitors sent: the one place to escape them is here.
    """

    @wraps(handler)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except MapsError as error:
            raise gr.Error(escape(str(error), quote=False), print_exception=False) from error

    return wrapper


def for_visitors(handler: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """The same for a handler that anybody may call: it runs when it is its turn, see `in_turn`."""
    guarded = show_errors(handler)

    @wraps(handler)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return await in_turn(guarded, *args, **kwargs)

    return wrapper
