"""Puts the content of an explorer page, its title and its preview image into the page's first HTML.

Gradio builds its pages in the browser, which takes about a second. Until then the page is readable and its links work,
also without a script. Then Gradio's view takes the content over (`explorer.js`).

This is ASGI middleware. It also gives every page a content security policy: only the scripts of Gradio's own HTML,
which get a random number here, and the app's script files may run. Text that somehow became HTML runs nothing: no
inline script, no `onclick`, no `javascript:` link.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from typing import Any, NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.report.headline import Headline
from maps.text import escape_controls
from maps.types import HeadId
from space.components.markup import Html, join_html
from space.services import Services
from space.web.addresses import requested_head
from space.web.assets import asset_address, serve_asset
from space.web.downloads import table_response
from space.web.header import SITE_TITLE, PageText, header_html
from space.web.page import ExplorerPage, PageContent, article_html, missing_page, open_page
from space.web.reply_cache import ReplyCache
from space.web.request_guard import frame_ancestors
from space.web.routes import path_in_app
from space.web.turns import in_turn

GRADIO_META_TAGS = re.compile(r'\s*<meta (?:property="og:|name="twitter:)[^>]*>')
TITLE_TAG = re.compile(r"\s*<title>[^<]*</title>")
BODY_TAG = re.compile(r"<body[^>]*>")
SCRIPT_TAG = re.compile(r"<script(?=[\s>])")
# Gradio compiles the functions of its events ('unsafe-eval') and writes styles into elements.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self'; manifest-src 'self'; "
    "worker-src 'self' blob:; form-action 'self'; base-uri 'self'; frame-ancestors {ancestors}"
)
MAX_SUMMARY_LENGTH = 300  # characters in a link preview
SITE_IMAGE = "look/site.png"
SCRIPTS = join_html(
    Html('<script src="{}"></script>').format(asset_address(name)) for name in ("grid.js", "explorer.js", "recent.js")
)


class Site(NamedTuple):
    """What the first HTML of a page is made from.

    `pages` are the explorer's by path, without slashes; `texts` the titles and summaries of the other pages by path;
    `links` the paths in the navigation by label; `head_headlines` gives what is known about each head of an atlas.
    """

    pages: Mapping[str, ExplorerPage]
    texts: Mapping[str, PageText]
    links: Mapping[str, str]
    head_headlines: Callable[[Services, Atlas], dict[HeadId, Headline]]


class FirstHtmlMiddleware:
    """Puts the header into the HTML of every page of the site, and its content into the explorer's; protects them."""

    def __init__(self, app: ASGIApp, services: Services, site: Site) -> None:
        self.app, self.services, self.site = app, services, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        path = path_in_app(scope).strip("/")
        insert, exists, request = None, True, Request(scope)
        if path in self.site.pages or path in self.site.texts:
            content = await self.content_of(path, dict(request.query_params))
            header = header_html(self.services, self.site.links, path, request.query_params.get("model", ""))
            is_explorer, base = (
                path in self.site.pages,
                self.services.public_address or str(request.base_url).rstrip("/"),
            )
            insert = partial(
                insert_content,
                content=content,
                path=path if is_explorer else None,
                header=header,
                base=base,
                address=str(request.url if is_explorer else request.url.replace(query="")),  # a query may hold a key
            )
            exists = content.exists
        ancestors = frame_ancestors(self.services.is_on_space)
        await self.app(scope, receive, HtmlRewriter(send, insert, exists, ancestors).send)

    async def content_of(self, path: str, query: dict[str, str]) -> PageContent:
        """The content of a page of the explorer; of another page, which Gradio fills, title and summary alone."""
        if path in self.site.pages:
            return await in_turn(open_page, self.services, self.site.pages[path], query)
        return PageContent(*self.site.texts[path], Html(""))


class HtmlRewriter:
    """Collects an HTML page, rewrites it and sends it on. Any other response passes through unchanged.

    `insert` puts content into the page, if there is any; `ancestors` are the sites that may frame it.
    """

    def __init__(self, send: Send, insert: Callable[[str], str] | None, exists: bool, ancestors: str) -> None:
        self.send_on, self.insert, self.exists, self.ancestors = send, insert, exists, ancestors
        self.response_start: Message | None = None
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and is_html_page(message):
            self.response_start = message
        elif self.response_start is None:
            await self.send_on(message)
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                await self.send_rewritten(self.response_start)

    async def send_rewritten(self, start: Message) -> None:
        """Sends the rewritten page, with status 404 if its address leads nowhere."""
        nonce = secrets.token_urlsafe(16)
        page = SCRIPT_TAG.sub(f'<script nonce="{nonce}"', self.body.decode())  # before any content is inserted
        content = (self.insert(page) if self.insert else page).encode()
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-length"] = str(len(content))
        headers["content-security-policy"] = content_policy(nonce, self.ancestors)
        status = start["status"] if self.exists else 404
        await self.send_on({"type": "http.response.start", "status": status, "headers": headers.raw})
        await self.send_on({"type": "http.response.body", "body": content})


def content_policy(nonce: str, ancestors: str) -> str:
    """The content security policy of a page: scripts with the nonce may run, and sites of `ancestors` may frame it."""
    return CONTENT_SECURITY_POLICY.format(nonce=nonce, ancestors=ancestors)


def is_html_page(start: Message) -> bool:
    """Whether a response is an HTML page with status 200."""
    content_type = MutableHeaders(raw=start["headers"]).get("content-type", "")
    return start["status"] == 200 and content_type.startswith("text/html")


def insert_content(html: str, content: PageContent, path: str | None, header: Html, base: str, address: str) -> str:
    """Gradio's page with the header in front, and the content of a page of the explorer (else `path` is None)."""
    page = TITLE_TAG.sub("", GRADIO_META_TAGS.sub("", html))
    page = page.replace("</head>", head_tags(content, base, address) + "</head>", 1)
    body = str(header + (Html("") if path is None else content_html(content, path)) + SCRIPTS)
    return BODY_TAG.sub(lambda tag: tag.group() + body, page, count=1)


def head_tags(content: PageContent, base: str, address: str) -> str:
    """Title, link preview (Open Graph) and assets."""
    title, summary = escape_controls(content.title), escape_controls(content.summary)
    if len(summary) > MAX_SUMMARY_LENGTH:
        summary = summary[:MAX_SUMMARY_LENGTH] + "…"
    properties = {"og:title": title, "og:description": summary, "og:type": "website", "og:url": address}
    properties |= {"og:site_name": SITE_TITLE, "og:image": f"{base}/{content.image_address or SITE_IMAGE}"}
    tags = "".join(f'<meta property="{name}" content="{escape(value)}">' for name, value in properties.items())
    return (
        f'<title>{escape(title)}</title><meta name="description" content="{escape(summary)}">{tags}'
        '<meta name="twitter:card" content="summary_large_image">'
        f'<link rel="icon" type="image/svg+xml" href="{asset_address("icon.svg")}">'
        f'<link rel="stylesheet" href="{asset_address("style.css")}">'
    )


def content_html(content: PageContent, path: str) -> Html:
    """The content, which the scripts make usable before Gradio is there."""
    return Html('<div id="first-look" class="gradio-container"><main id="main">{}</main></div>').format(
        article_html(content, path)
    )


def respond_not_found(services: Services, site: Site, base: str) -> Response:
    """A page with the header, for an address that leads nowhere. `base`: the app's own address, where links start."""
    content = missing_page("There is no page at this address.")
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><base href="{escape(base)}/">'
        f"{head_tags(content, base, base)}</head><body>{header_html(services, site.links, 'missing', '')}"
        f"{content_html(content, 'missing')}{SCRIPTS}</body></html>"
    )
    policy = content_policy(secrets.token_urlsafe(16), frame_ancestors(services.is_on_space))
    return HTMLResponse(html, status_code=404, headers={"content-security-policy": policy})


def app_arguments(services: Services, site: Site) -> dict[str, Any]:
    """Middleware and routes of the explorer: arguments of the FastAPI app."""

    def send_sentences(request: Request) -> Response:
        """The headline of each head, shown when the pointer is on its cell of the grid."""
        headlines = site.head_headlines(services, services.atlas(request.query_params.get("model", "")))
        return JSONResponse([headline.plain_text for headline in headlines.values()])

    def send_preview_image(request: Request) -> Response:
        from space.components.preview_image import PreviewText, draw_preview  # imported here: it is rarely needed

        atlas, head = requested_head(services, request.query_params)
        headline = site.head_headlines(services, atlas)[head]
        text = PreviewText.from_head(str(head), atlas.model, headline.plain_text, atlas.mappings(head))
        return Response(draw_preview(text), media_type="image/png", headers={"cache-control": "public, max-age=60"})

    def send_table(request: Request) -> Response:
        query = request.query_params
        return table_response(services.atlas(query.get("model", "")), query.get("name", ""), query.get("format", ""))

    return {
        "middleware": [
            Middleware(FirstHtmlMiddleware, services=services, site=site),
            Middleware(ReplyCache),
        ],
        "routes": [
            Route("/look/sentences.json", send_error_as_text(send_sentences)),
            Route("/look/card.png", send_error_as_text(send_preview_image)),
            Route("/look/table", send_error_as_text(send_table)),
            Route("/look/{name}", serve_asset),
        ],
    }


def send_error_as_text(endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """An endpoint whose MapsErrors are sent as plain text with status 404."""

    def respond(request: Request) -> Response:
        try:
            return endpoint(request)
        except MapsError as error:
            return Response(str(error), status_code=404, media_type="text/plain")

    return respond
