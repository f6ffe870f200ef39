"""The app's own style and scripts, at addresses that change with their content."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
ASSETS = {
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(("explorer.js", "grid.js", "study_form.js", "models.js", "recent.js"), "text/javascript"),
    **dict.fromkeys(("scatter.js", "catalogue.js", "save_figure.js"), "text/javascript"),
}


@cache
def asset_hash(name: str) -> str:
    """A short hash of an asset's content. It is part of the address, so browsers may cache the asset for ever."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def asset_address(name: str) -> str:
    return f"look/{name}?v={asset_hash(name)}"


async def serve_asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        return Response("There is no such file.", status_code=404, media_type="text/plain")
    cached = {"cache-control": "public, max-age=31536000, immutable"}
    return Response((STATIC / name).read_bytes(), media_type=ASSETS[name], headers=cached)
