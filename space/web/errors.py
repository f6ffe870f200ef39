"""Shows the message of a MapsError on the page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import gradio as gr

from maps.errors import MapsError

P = ParamSpec("P")
R = TypeVar("R")


def show_errors(handler: Callable[P, R]) -> Callable[P, R]:
    """A handler whose MapsErrors appear on the page as their message; other errors are not changed."""

    @wraps(handler)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except MapsError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return wrapped
