"""The explorer for programs: its content as Gradio API endpoints and, if enabled, as MCP tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradio.events import api

from space.endpoints import heads, models, people, weights
from space.services import Services
from space.web.errors import for_visitors


def build_endpoints(services: Services) -> None:
    """Adds the endpoints to the site that is being built."""
    for endpoint in endpoints(services):
        api(for_visitors(endpoint), api_name=endpoint.__name__, queue=False)


def endpoints(services: Services) -> list[Callable[..., Any]]:
    """All endpoints; a function's name is the endpoint's name."""
    return [endpoint for module in (models, heads, people, weights) for endpoint in module.endpoints(services)]
