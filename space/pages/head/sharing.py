"""Ways to pass a head on: its address, its data as JSON, how to cite it, and a frame for another site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from maps.atlas.reader import Atlas
from maps.atlas.readings import reading_phrase
from maps.errors import MapsError
from maps.types import HeadId
from space.components.links import head_in_query, link_to_head
from space.components.markup import Html, anchor
from space.services import Services
from space.web.header import PAPER_ADDRESS, PAPER_TITLE, SITE_TITLE

# The script puts this site's address in place of ADDRESS, and shows the button.
TEMPLATE = Html(
    '<p class="ways sharing"><button type="button" class="copy-link" hidden>Copy link</button>{json}</p>'
    "<details><summary>Cite this head</summary><pre>{citation}</pre></details>"
    "<details><summary>Show it on another page</summary><pre>{frame}</pre></details>"
)
ADDRESS = "ADDRESS/"


def sharing_section(services: Services, atlas: Atlas, head: HeadId) -> Html:
    link = link_to_head(atlas.model, head)
    address = f"{services.public_address}/" if services.public_address else ADDRESS
    info = atlas.info
    citation = (
        f"{head} of {atlas.model} (weights {info['revision'][:16]}, mapped {info['created_at'][:10]} in "
        f"{reading_phrase(atlas.reading)}). {SITE_TITLE}, version {services.app_version}. {address}{link}\n"
        f"Method: Elhelo and Geva (2025), {PAPER_TITLE}. {PAPER_ADDRESS}"
    )
    frame = f'<iframe src="{address}{link}&embed=true" width="640" height="420" title="{head}"></iframe>'
    return TEMPLATE.format(
        json=anchor(link.replace("head?", "look/head.json?", 1), "JSON"), citation=citation, frame=frame
    )


def head_json_route(read_head: Callable[..., dict[str, Any]]) -> Route:
    """`/look/head.json`: the same as the endpoint `head`, for an address like that of the head's page."""

    def respond(request: Request) -> Response:
        query = request.query_params
        head = head_in_query(query)
        try:
            if head is None:
                raise MapsError("The address names no head; it should end like ?model=…&layer=26&head=2.")
            return JSONResponse(read_head(query.get("model", ""), head.layer, head.head))
        except MapsError as error:
            return JSONResponse({"error": str(error)}, status_code=404)

    return Route("/look/head.json", respond)
