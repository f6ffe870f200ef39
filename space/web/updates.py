"""Inputs and outputs of event handlers as dictionaries keyed by component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradio.blocks import Block
from gradio.components import Component

PRIVATE_EVENT: dict[str, Any] = {"api_visibility": "private"}  # for the app's own pages, not for programs
Updates = dict[Block, Any]  # component -> its new value or gr.update(...); other components stay as they are
Inputs = Mapping[Any, Any]  # component -> the value that the browser sent


def inputs_of(*components: Component) -> set[Block]:
    """Inputs that reach a handler as one dictionary.

    Gradio passes the values of a set to JavaScript in the order in which the components were created, so they must be
    listed in that order. ValueError otherwise.
    """
    ids = [component._id for component in components]
    if ids != sorted(ids):
        raise ValueError("list the inputs in the order in which the components were created")
    return set(components)
