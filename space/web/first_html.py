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
from typing import Any, NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.report.headline import Headline
from maps.types import HeadId
from space.components.markup import Html
from space.services import Services
from space.web.addresses import requested_head
from space.web.assets import serve_asset
from space.web.document import SCRIPTS, content_html, content_policy, head_tags, respond_embedded
from space.web.downloads import table_response
from space.web.header import PageText, header_html
from space.web.page import ExplorerPage, PageContent, open_page
from space.web.reply_cache import ReplyCache
from space.web.request_guard import frame_ancestors
from space.web.routes import path_in_app
from space.web.turns import in_turn

GRADIO_META_TAGS = re.compile(r'\s*<meta (?:property="og:|name="twitter:)[^>]*>')
TITLE_TAG = re.compile(r"\s*<title>[^<]*</title>")
BODY_TAG = re.compile(r"<body[^>]*>")
SCRIPT_TAG = re.compile(r"<script(?=[\s>])")


class Site(NamedTuple):
    """What the first HTML of a page is made from.

    `pages` are the explorer's by path, without slashes; `texts` the titles and summaries of the other pages by path;
    `links` the paths in the navigation by label; `embedded` what other sites may frame
    (`?embed=true`); `head_headlines` gives what is known about each head of an atlas.
    """

    pages: Mapping[str, ExplorerPage]
    texts: Mapping[str, PageText]
    links: Mapping[str, str]
    embedded: Mapping[str, ExplorerPage]
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
        if path in self.site.embedded and request.query_params.get("embed") == "true":
            content = await in_turn(open_page, self.services, self.site.embedded[path], dict(request.query_params))
            await respond_embedded(content, base_address(self.services, request))(scope, receive, send)
            return
        if path in self.site.pages or path in self.site.texts:
            content = await self.content_of(path, dict(request.query_params))
            header = header_html(self.services, self.site.links, path, request.query_params.get("model", ""))
            is_explorer = path in self.site.pages
            insert = partial(
                insert_content,
                content=content,
                path=path if is_explorer else None,
                header=header,
                base=base_address(self.services, request),
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


def is_html_page(start: Message) -> bool:
    """Whether a response is an HTML page with status 200."""
    content_type = MutableHeaders(raw=start["headers"]).get("content-type", "")
    return start["status"] == 200 and content_type.startswith("text/html")


def base_address(services: Services, request: Request) -> str:
    """The app's own address, without a slash at its end."""
    return services.public_address or str(request.base_url).rstrip("/")


def insert_content(html: str, content: PageContent, path: str | None, header: Html, base: str, address: str) -> str:
    """Gradio's page with the header in front, and the content of a page of the explorer (else `path` is None)."""
    page = TITLE_TAG.sub("", GRADIO_META_TAGS.sub("", html))
    page = page.replace("</head>", head_tags(content, base, address) + "</head>", 1)
    body = str(header + (Html("") if path is None else content_html(content, path)) + SCRIPTS)
    return BODY_TAG.sub(lambda tag: tag.group() + body, page, count=1)


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
