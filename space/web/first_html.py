"""The first HTML of an explorer page holds what its address shows, and its title and picture for link previews.

Gradio builds its pages in the browser, which takes a second; what the address shows is there before, readable and
with working links. Gradio's view then takes it over (`explorer.js`). A piece of ASGI middleware, so that nothing but
these pages passes through it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maps.errors import MapsError
from space.atlases.cache import sentences
from space.components.markup import anchor
from space.services import Services
from space.web.addresses import asked_for
from space.web.downloads import table_file
from space.web.page import Look, Page, article, looked

STATIC = Path(__file__).parent / "static"
ASSETS = {"style.css": "text/css", "explorer.js": "text/javascript", "grid.js": "text/javascript"}
GENERIC = re.compile(r'\s*<meta (?:property="og:|name="twitter:)[^>]*>')
BODY = re.compile(r"<body[^>]*>")
LONGEST = 300  # characters of a link's preview
DARK = "document.body.classList.toggle('dark', matchMedia('(prefers-color-scheme: dark)').matches);"


@cache
def version(name: str) -> str:
    """A short hash of an asset, which its address carries so that browsers may keep it."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of an asset."""
    return f"look/{name}?v={version(name)}"


async def served(request: Request) -> Response:
    """An asset by its name."""
    name = request.path_params["name"]
    if name not in ASSETS:
        return Response("There is no such file.", status_code=404, media_type="text/plain")
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    return Response((STATIC / name).read_bytes(), media_type=ASSETS[name], headers=kept)


class FirstLook:
    """Puts the look of its address into the HTML of each page in `pages`, by path without slashes."""

    def __init__(self, app: ASGIApp, services: Services, pages: Mapping[str, Page], links: Mapping[str, str]) -> None:
        self.app, self.services, self.pages, self.links = app, services, pages, links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a GET of an explorer page; hands everything else on."""
        path = scope["path"].removeprefix(scope.get("root_path", "")).strip("/") if scope["type"] == "http" else None
        if path is None or path not in self.pages or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        look = await run_in_threadpool(looked, self.services, self.pages[path], dict(request.query_params))
        base = self.services.address or str(request.base_url).rstrip("/")
        whole = Whole(send, lambda page: with_look(page, look, path, self.links, base, str(request.url)), look.found)
        await self.app(scope, receive, whole.send)


class Whole:
    """Gathers an HTML answer, changes it, and sends it on; what is no good HTML goes on unchanged."""

    def __init__(self, send: Send, change: Callable[[str], str], found: bool) -> None:
        self.onward, self.change, self.found = send, change, found
        self.start: Message | None = None
        self.body = b""

    async def send(self, message: Message) -> None:
        """Takes one message of the answer."""
        if message["type"] == "http.response.start" and is_page(message):
            self.start = message
        elif self.start is None:
            await self.onward(message)
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                await self.changed(self.start)

    async def changed(self, start: Message) -> None:
        """Sends the changed page."""
        content = self.change(self.body.decode()).encode()
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-length"] = str(len(content))
        status = start["status"] if self.found else 404
        await self.onward({"type": "http.response.start", "status": status, "headers": headers.raw})
        await self.onward({"type": "http.response.body", "body": content})


def is_page(start: Message) -> bool:
    """Whether an answer is a page that came out well."""
    return start["status"] == 200 and MutableHeaders(raw=start["headers"]).get("content-type", "").startswith(
        "text/html"
    )


def with_look(page: str, look: Look, path: str, links: Mapping[str, str], base: str, address: str) -> str:
    """Gradio's page with the look before it."""
    plain = GENERIC.sub("", page)
    head = head_of(look, base, address)
    marked = plain.replace("</head>", head + "</head>", 1)
    first = first_of(look, path, links)
    return BODY.sub(lambda found: found.group() + first, marked, count=1)


def head_of(look: Look, base: str, address: str) -> str:
    """Title, preview and assets."""
    image = f"{base}/{look.image}" if look.image else ""
    summary = look.summary if len(look.summary) <= LONGEST else f"{look.summary[:LONGEST]}…"
    said = {"og:title": look.title, "og:description": summary, "og:type": "website", "og:url": address}
    said |= {"og:image": image} if image else {}
    tags = "".join(f'<meta property="{name}" content="{escape(value)}">' for name, value in said.items())
    card = "summary_large_image" if image else "summary"
    return (
        f'<title>{escape(look.title)}</title><meta name="description" content="{escape(summary)}">{tags}'
        f'<meta name="twitter:card" content="{card}"><link rel="stylesheet" href="{asset("style.css")}">'
        f'<script src="{asset("grid.js")}"></script><script src="{asset("explorer.js")}"></script>'
    )


def first_of(look: Look, path: str, links: Mapping[str, str]) -> str:
    """The look itself, under a navigation like Gradio's."""
    tabs = "".join(
        anchor(href or "./", words, **({"class": "active"} if href == path else {})) for words, href in links.items()
    )
    return (
        f'<div id="first-look" class="gradio-container"><nav aria-label="Pages">{tabs}</nav>'
        f'<main class="prose">{article(look, path)}</main></div><script>{DARK}explorer.first();</script>'
    )


def launch_settings(services: Services, pages: Mapping[str, Any], links: Mapping[str, str]) -> dict[str, Any]:
    """What the FastAPI app needs: arguments for `app_kwargs`."""

    def described(request: Request) -> Response:
        """Each head's sentence, for whoever points at a cell of the grid."""
        try:
            found = sentences(services.atlas(request.query_params.get("model", "")))
        except MapsError as error:
            return Response(str(error), status_code=404, media_type="text/plain")
        return JSONResponse(found)

    def pictured(request: Request) -> Response:
        """The picture of a head for link previews."""
        from space.components.preview_image import Said, card  # imported here: few visitors ask for one

        try:
            atlas, head = asked_for(services, request.query_params)
        except MapsError as error:
            return Response(str(error), status_code=404, media_type="text/plain")
        said = Said.of(str(head), atlas.model, sentences(atlas)[atlas.ids.index(head)], atlas.mappings(head))
        return Response(card(said), media_type="image/png", headers={"cache-control": "public, max-age=3600"})

    routes = [
        Route("/look/sentences.json", described),
        Route("/look/card.png", pictured),
        Route("/look/table", lambda request: table_file(services, request)),
        Route("/look/{name}", served),
    ]
    return {"middleware": [Middleware(FirstLook, services=services, pages=pages, links=links)], "routes": routes}
