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
from space.atlases.cache import head_descriptions
from space.components.markup import anchor
from space.services import Services
from space.web.addresses import requested_head
from space.web.downloads import table_response
from space.web.page import ExplorerPage, PageContent, article_html, open_page

STATIC = Path(__file__).parent / "static"
ASSETS = {"style.css": "text/css", "explorer.js": "text/javascript", "grid.js": "text/javascript"}
GRADIO_META_TAGS = re.compile(r'\s*<meta (?:property="og:|name="twitter:)[^>]*>')
BODY_TAG = re.compile(r"<body[^>]*>")
MAX_SUMMARY_LENGTH = 300  # characters of a link's preview
DARK_MODE_SCRIPT = "document.body.classList.toggle('dark', matchMedia('(prefers-color-scheme: dark)').matches);"


@cache
def asset_hash(name: str) -> str:
    """A short hash of an asset, which its address carries so that browsers may keep it."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def asset_address(name: str) -> str:
    """The address of an asset."""
    return f"look/{name}?v={asset_hash(name)}"


async def serve_asset(request: Request) -> Response:
    """An asset by its name."""
    name = request.path_params["name"]
    if name not in ASSETS:
        return Response("There is no such file.", status_code=404, media_type="text/plain")
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    return Response((STATIC / name).read_bytes(), media_type=ASSETS[name], headers=kept)


class FirstHtmlMiddleware:
    """Puts the look of its address into the HTML of each page in `pages`, by path without slashes."""

    def __init__(
        self, app: ASGIApp, services: Services, pages: Mapping[str, ExplorerPage], links: Mapping[str, str]
    ) -> None:
        self.app, self.services, self.pages, self.links = app, services, pages, links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a GET of an explorer page; hands everything else on."""
        path = scope["path"].removeprefix(scope.get("root_path", "")).strip("/") if scope["type"] == "http" else None
        if path is None or path not in self.pages or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        look = await run_in_threadpool(open_page, self.services, self.pages[path], dict(request.query_params))
        base = self.services.public_address or str(request.base_url).rstrip("/")
        whole = HtmlRewriter(
            send, lambda page: insert_content(page, look, path, self.links, base, str(request.url)), look.exists
        )
        await self.app(scope, receive, whole.send)


class HtmlRewriter:
    """Gathers an HTML answer, changes it, and sends it on; what is no good HTML goes on unchanged."""

    def __init__(self, send: Send, rewrite: Callable[[str], str], exists: bool) -> None:
        self.send_on, self.rewrite, self.exists = send, rewrite, exists
        self.response_start: Message | None = None
        self.body = b""

    async def send(self, message: Message) -> None:
        """Takes one message of the answer."""
        if message["type"] == "http.response.start" and is_html_page(message):
            self.response_start = message
        elif self.response_start is None:
            await self.send_on(message)
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                await self.send_rewritten(self.response_start)

    async def send_rewritten(self, start: Message) -> None:
        """Sends the changed page."""
        content = self.rewrite(self.body.decode()).encode()
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-length"] = str(len(content))
        status = start["status"] if self.exists else 404
        await self.send_on({"type": "http.response.start", "status": status, "headers": headers.raw})
        await self.send_on({"type": "http.response.body", "body": content})


def is_html_page(start: Message) -> bool:
    """Whether an answer is a page that came out well."""
    return start["status"] == 200 and MutableHeaders(raw=start["headers"]).get("content-type", "").startswith(
        "text/html"
    )


def insert_content(
    html: str, content: PageContent, path: str, links: Mapping[str, str], base: str, address: str
) -> str:
    """Gradio's page with the look before it."""
    plain = GRADIO_META_TAGS.sub("", html)
    head = head_tags(content, base, address)
    marked = plain.replace("</head>", head + "</head>", 1)
    first = content_html(content, path, links)
    return BODY_TAG.sub(lambda found: found.group() + first, marked, count=1)


def head_tags(content: PageContent, base: str, address: str) -> str:
    """Title, preview and assets."""
    image = f"{base}/{content.image_address}" if content.image_address else ""
    summary = (
        content.summary if len(content.summary) <= MAX_SUMMARY_LENGTH else f"{content.summary[:MAX_SUMMARY_LENGTH]}…"
    )
    said = {"og:title": content.title, "og:description": summary, "og:type": "website", "og:url": address}
    said |= {"og:image": image} if image else {}
    tags = "".join(f'<meta property="{name}" content="{escape(value)}">' for name, value in said.items())
    card = "summary_large_image" if image else "summary"
    return (
        f'<title>{escape(content.title)}</title><meta name="description" content="{escape(summary)}">{tags}'
        f'<meta name="twitter:card" content="{card}"><link rel="stylesheet" href="{asset_address("style.css")}">'
        f'<script src="{asset_address("grid.js")}"></script><script src="{asset_address("explorer.js")}"></script>'
    )


def content_html(content: PageContent, path: str, links: Mapping[str, str]) -> str:
    """The look itself, under a navigation like Gradio's."""
    tabs = "".join(
        anchor(href or "./", words, **({"class": "active"} if href == path else {})) for words, href in links.items()
    )
    return (
        f'<div id="first-look" class="gradio-container"><nav aria-label="Pages">{tabs}</nav>'
        f'<main class="prose">{article_html(content, path)}</main></div><script>{DARK_MODE_SCRIPT}explorer.first();</script>'
    )


def app_arguments(services: Services, pages: Mapping[str, Any], links: Mapping[str, str]) -> dict[str, Any]:
    """What the FastAPI app needs: arguments for `app_kwargs`."""

    def described(request: Request) -> Response:
        """Each head's sentence, for whoever points at a cell of the grid."""
        try:
            found = head_descriptions(services.atlas(request.query_params.get("model", "")))
        except MapsError as error:
            return Response(str(error), status_code=404, media_type="text/plain")
        return JSONResponse(found)

    def pictured(request: Request) -> Response:
        """The picture of a head for link previews."""
        from space.components.preview_image import PreviewText, draw_preview  # imported here: few visitors ask for one

        try:
            atlas, head = requested_head(services, request.query_params)
        except MapsError as error:
            return Response(str(error), status_code=404, media_type="text/plain")
        said = PreviewText.from_head(
            str(head), atlas.model, head_descriptions(atlas)[atlas.head_ids.index(head)], atlas.mappings(head)
        )
        return Response(draw_preview(said), media_type="image/png", headers={"cache-control": "public, max-age=3600"})

    routes = [
        Route("/look/sentences.json", described),
        Route("/look/card.png", pictured),
        Route("/look/table", lambda request: table_response(services, request)),
        Route("/look/{name}", serve_asset),
    ]
    return {
        "middleware": [Middleware(FirstHtmlMiddleware, services=services, pages=pages, links=links)],
        "routes": routes,
    }
