"""Refuses what no page and no program of a visitor's own sends, before any of it is parsed.

The outermost layer of the app. It answers only the addresses in `routes.py`; refuses calls that another site sends with
a visitor's browser; limits the size of bodies and the time they take; and sets headers that keep other sites from
framing the app and from reading its replies.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from space.web.routes import RouteKind, RouteRule, find_route, path_in_app

MAX_BODY_BYTES = 2_000_000
MAX_BODY_SECONDS = 30.0  # from the request's head to the end of its body
ANSWERED_IN_TURN = (RouteKind.PAGE, RouteKind.FILE, RouteKind.PROGRAM)
PUBLIC_AT_ONCE = 2  # requests of these kinds that are answered at the same time
MAX_PLACE_SECONDS = 5.0  # then the next one begins, too
OWN_SITE = ("same-origin", "none")  # values of Sec-Fetch-Site: from the app's own page, or typed by the visitor

OTHER_SITE_MESSAGE = (
    "This request came from a page of another site, so it was refused. Open the app's own address; behind a proxy, let "
    "it pass on the Host header."
)
BODY_TOO_LARGE_MESSAGE = f"The request has more than {MAX_BODY_BYTES:,} bytes; send less at once."
BODY_TOO_SLOW_MESSAGE = f"The request did not arrive within {MAX_BODY_SECONDS:.0f} seconds; send it again."
COMMON_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # an address may hold a key until the page has loaded
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
CORS_HEADERS = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers")


def frame_ancestors(is_on_space: bool) -> str:
    """The sites that may show the app in a frame, for a content security policy. Spaces are framed by their Hub."""
    return "'self' https://huggingface.co" if is_on_space else "'self'"


def is_from_own_site(headers: Headers, public_host: str = "") -> bool:
    """Whether a request comes from the app's own pages, from an address that was typed, or from a program.

    Browsers say it in `Sec-Fetch-Site`, which no script can set. Old browsers, and pages without HTTPS, send only
    `Origin`, whose host must be the app's: the request's `Host`, or `public_host`. Programs send neither.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in OWN_SITE
    origin = headers.get("origin")
    return origin is None or host_of(origin) in {headers.get("host", ""), public_host} - {""}


def host_of(address: str) -> str:
    """Host and port of an origin; empty for anything else, such as the origin `null` of a sandboxed frame."""
    try:
        return urlsplit(address).netloc
    except ValueError:
        return ""


class RequestGuard:
    """The layer around the app. `public_host` is the host of its public address, if it knows that."""

    def __init__(self, app: ASGIApp, is_on_space: bool, public_host: str = "", has_mcp: bool = False) -> None:
        self.app, self.public_host, self.has_mcp = app, public_host, has_mcp
        self._places = asyncio.Semaphore(PUBLIC_AT_ONCE)
        ancestors = frame_ancestors(is_on_space)
        self.default_policy = f"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors {ancestors}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":  # no page opens one
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, HeaderSetter(send, self.default_policy).send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        rule, headers = find_route(scope["method"], path_in_app(scope), self.has_mcp), Headers(scope=scope)
        refusal: Response | None = None
        if not self._is_allowed_here(rule, headers):
            refusal = PlainTextResponse(OTHER_SITE_MESSAGE, 403)
        elif rule is None:
            scope = {**scope, "path": "/no-such-page", "raw_path": b"/no-such-page", "method": "GET"}
        elif scope["method"] not in ("GET", "HEAD") and rule.kind is not RouteKind.UPLOAD:
            try:
                body = await asyncio.wait_for(read_body(receive, headers), MAX_BODY_SECONDS)
                receive = replay(body, receive)
            except BodyTooLargeError:
                refusal = PlainTextResponse(BODY_TOO_LARGE_MESSAGE, 413, {"connection": "close"})
            except TimeoutError:
                refusal = PlainTextResponse(BODY_TOO_SLOW_MESSAGE, 408, {"connection": "close"})
        if refusal is None and rule is not None and rule.kind in ANSWERED_IN_TURN:
            await self._answer_in_turn(scope, receive, send)
        else:
            await (refusal or self.app)(scope, receive, send)

    async def _answer_in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers few public requests at once: calls, with which answers are stored, never queue behind them.

        A request that takes long, because somebody reads it slowly, gives up its place.
        """
        await self._places.acquire()
        place = asyncio.get_running_loop().call_later(MAX_PLACE_SECONDS, self._places.release)
        try:
            await self.app(scope, receive, send)
        finally:
            if place.when() > asyncio.get_running_loop().time():
                place.cancel()
                self._places.release()

    def _is_allowed_here(self, rule: RouteRule | None, headers: Headers) -> bool:
        if is_from_own_site(headers, self.public_host):
            return True
        is_link = "origin" not in headers  # links and images of other sites have no Origin, scripts' requests have one
        return is_link and rule is not None and rule.kind not in (RouteKind.CALL, RouteKind.PROGRAM, RouteKind.UPLOAD)


class BodyTooLargeError(Exception):
    """A request's body exceeds the limit."""


async def read_body(receive: Receive, headers: Headers) -> bytes:
    """The whole body; raises BodyTooLargeError before more than the limit is kept."""
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > MAX_BODY_BYTES:
        raise BodyTooLargeError
    parts, size, is_more = [], 0, True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise BodyTooLargeError
        parts.append(part)
        is_more = message.get("more_body", False)
    return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, then goes on with what follows it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


class HeaderSetter:
    """Adds the headers of every reply, and takes out those that would let other sites read it."""

    def __init__(self, send: Send, default_policy: str) -> None:
        self.send_on, self.default_policy = send, default_policy

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            for name in CORS_HEADERS:
                del headers[name]
            headers.update(COMMON_HEADERS)
            headers.setdefault("content-security-policy", self.default_policy)
            message = {**message, "headers": headers.raw}
        await self.send_on(message)
