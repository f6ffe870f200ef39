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
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.report.headline import Headline
from maps.text import escape_controls
from maps.types import HeadId
from space.components.markup import Html, anchor, join_html
from space.services import Services
from space.web.addresses import requested_head
from space.web.assets import asset_address, serve_asset
from space.web.downloads import table_response
from space.web.page import ExplorerPage, PageContent, article_html, open_page
from space.web.reply_cache import ReplyCache
from space.web.request_guard import frame_ancestors
from space.web.routes import path_in_app
from space.web.turns import in_turn

GRADIO_META_TAGS = re.compile(r'\s*<meta (?:property="og:|name="twitter:)[^>]*>')
BODY_TAG = re.compile(r"<body[^>]*>")
SCRIPT_TAG = re.compile(r"<script(?=[\s>])")
# Gradio compiles the functions of its events ('unsafe-eval') and writes styles into elements.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self'; manifest-src 'self'; "
    "worker-src 'self' blob:; form-action 'self'; base-uri 'self'; frame-ancestors {ancestors}"
)
SCRIPTS = ("grid.js", "explorer.js", "recent.js")  # of explorer pages
MAX_SUMMARY_LENGTH = 300  # characters in a link preview


class FirstHtmlMiddleware:
    """Inserts its content into the HTML of each page in `pages` (by path, without slashes); protects every page."""

    def __init__(
        self, app: ASGIApp, services: Services, pages: Mapping[str, ExplorerPage], links: Mapping[str, str]
    ) -> None:
        self.app, self.services, self.pages, self.links = app, services, pages, links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        path = path_in_app(scope).strip("/")
        insert, exists = None, True
        if path in self.pages:
            request = Request(scope)
            content = await in_turn(open_page, self.services, self.pages[path], dict(request.query_params))
            base = self.services.public_address or str(request.base_url).rstrip("/")
            insert = partial(
                insert_content, content=content, path=path, links=self.links, base=base, address=str(request.url)
            )
            exists = content.exists
        ancestors = frame_ancestors(self.services.is_on_space)
        await self.app(scope, receive, HtmlRewriter(send, insert, exists, ancestors).send)


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
        headers["content-security-policy"] = CONTENT_SECURITY_POLICY.format(nonce=nonce, ancestors=self.ancestors)
        status = start["status"] if self.exists else 404
        await self.send_on({"type": "http.response.start", "status": status, "headers": headers.raw})
        await self.send_on({"type": "http.response.body", "body": content})


def is_html_page(start: Message) -> bool:
    """Whether a response is an HTML page with status 200."""
    content_type = MutableHeaders(raw=start["headers"]).get("content-type", "")
    return start["status"] == 200 and content_type.startswith("text/html")


def insert_content(
    html: str, content: PageContent, path: str, links: Mapping[str, str], base: str, address: str
) -> str:
    """Gradio's page with the content in front of it."""
    page = GRADIO_META_TAGS.sub("", html)
    page = page.replace("</head>", head_tags(content, base, address) + "</head>", 1)
    body = str(content_html(content, path, links))  # as Html, it would escape the tag to which it is added
    return BODY_TAG.sub(lambda tag: tag.group() + body, page, count=1)


def head_tags(content: PageContent, base: str, address: str) -> str:
    """Title, link preview (Open Graph) and assets."""
    title, summary = escape_controls(content.title), escape_controls(content.summary)
    if len(summary) > MAX_SUMMARY_LENGTH:
        summary = summary[:MAX_SUMMARY_LENGTH] + "…"
    properties = {"og:title": title, "og:description": summary, "og:type": "website", "og:url": address}
    if content.image_address:
        properties["og:image"] = f"{base}/{content.image_address}"
    tags = "".join(f'<meta property="{name}" content="{escape(value)}">' for name, value in properties.items())
    card = "summary_large_image" if content.image_address else "summary"
    return (
        f'<title>{escape(title)}</title><meta name="description" content="{escape(summary)}">{tags}'
        f'<meta name="twitter:card" content="{card}"><link rel="stylesheet" href="{asset_address("style.css")}">'
    )


def content_html(content: PageContent, path: str, links: Mapping[str, str]) -> Html:
    """The content under a navigation like Gradio's. The scripts draw its grids before Gradio is there."""
    tabs = join_html(
        anchor(href or "./", label, **({"class": "active"} if href == path else {})) for label, href in links.items()
    )
    return Html(
        '<div id="first-look" class="gradio-container"><nav aria-label="Pages">{}</nav>'
        '<main class="prose">{}</main></div>{}'
    ).format(tabs, article_html(content, path), join_html(map(script_html, SCRIPTS)))


def script_html(name: str) -> Html:
    return Html('<script src="{}"></script>').format(asset_address(name))


def app_arguments(
    services: Services,
    pages: Mapping[str, Any],
    links: Mapping[str, str],
    head_headlines: Callable[[Services, Atlas], dict[HeadId, Headline]],
) -> dict[str, Any]:
    """Middleware and routes of the explorer: arguments of the FastAPI app.

    `head_headlines` gives what is known about each head of an atlas.
    """

    def send_sentences(request: Request) -> Response:
        """The headline of each head, shown when the pointer is on its cell of the grid."""
        headlines = head_headlines(services, services.atlas(request.query_params.get("model", "")))
        return JSONResponse([headline.plain_text for headline in headlines.values()])

    def send_preview_image(request: Request) -> Response:
        from space.components.preview_image import PreviewText, draw_preview  # imported here: it is rarely needed

        atlas, head = requested_head(services, request.query_params)
        headline = head_headlines(services, atlas)[head]
        text = PreviewText.from_head(str(head), atlas.model, headline.plain_text, atlas.mappings(head))
        return Response(draw_preview(text), media_type="image/png", headers={"cache-control": "public, max-age=60"})

    def send_table(request: Request) -> Response:
        query = request.query_params
        return table_response(services.atlas(query.get("model", "")), query.get("name", ""), query.get("format", ""))

    return {
        "middleware": [
            Middleware(FirstHtmlMiddleware, services=services, pages=pages, links=links),
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
