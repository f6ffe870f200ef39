"""`/health`: that the app works, its versions and the state of the ledger. No dataset's name and no secret."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from space.services import Services

REPORTED_PACKAGES = ("gradio", "huggingface-hub")


def health_report(services: Services) -> dict[str, Any]:
    return {
        "status": "ok",
        "versions": {
            "app": services.app_version,
            "python": platform.python_version(),
            **{name: version(name) for name in REPORTED_PACKAGES},
        },
        "models": list(services.atlases),
        "left_out": len(services.atlas_problems()),
        "ledger": {"state": "none"} if services.ledger is None else services.ledger.status().public_summary(),
        "live": "off" if services.live_model.model_name is None else "on",
    }


def health_route(services: Services) -> Route:
    def respond(_request: Request) -> Response:
        return JSONResponse(health_report(services), headers={"cache-control": "no-store"})

    return Route("/health", respond)
