"""The route to which an organiser's browser sends a model's file."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from maps.errors import MapsError
from space.services import Services

NOT_ADMITTED = "This upload is not allowed. Reload the page Models and choose the file again."


def upload_route(services: Services) -> Route:
    """Stores the body of a request as a file, if its ticket admits it; answers with the file's path on the server."""

    async def respond(request: Request) -> Response:
        uploads, length = services.uploads, request.headers.get("content-length", "")
        if not uploads.take(request.path_params["ticket"]) or not length.isdecimal():
            return JSONResponse({"error": NOT_ADMITTED}, 403, {"connection": "close"})
        try:
            path = await uploads.store(request.query_params.get("name", ""), int(length), request.stream())
        except MapsError as error:
            return JSONResponse({"error": str(error)}, 400, {"connection": "close"})
        return JSONResponse({"model": str(path.resolve())})

    return Route("/upload/{ticket}", respond, methods=["POST"])
