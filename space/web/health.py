"""`/health`: whether the app serves, its versions, how the ledger stands. It names no dataset and no secret."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from space.services import Services

PACKAGES = ("gradio", "huggingface-hub")


def health(services: Services) -> dict[str, Any]:
    """What the address answers."""
    return {
        "status": "ok",
        "versions": {
            "app": services.app_version,
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        "models": list(services.atlases),
        "left_out": len(services.left_out),
        "ledger": {"state": "none"} if services.ledger is None else services.ledger.status().summary(),
        "live": "off" if services.live.model is None else "on",
    }


def health_route(services: Services) -> Route:
    """The route."""

    def answered(_request: Request) -> Response:
        """JSON, never from a cache."""
        return JSONResponse(health(services), headers={"cache-control": "no-store"})

    return Route("/health", answered)
