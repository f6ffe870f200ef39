"""Keeps Gradio's replies that are the same for everybody: the empty pages and the layout of all pages.

Gradio computes each anew for every request. What a reply may depend on is the key under which it is kept, and Gradio
sees nothing else of the request: no cookie, no other query.
"""

from __future__ import annotations

from collections import OrderedDict
from urllib.parse import parse_qs, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from space.web.routes import find_route, path_in_app

MAX_REPLIES = 32  # an app has some ten pages, at one or two hosts
ADDRESS_HEADERS = (b"host", b"x-forwarded-host", b"x-forwarded-proto")  # from these Gradio makes absolute addresses
Key = tuple[str, str, str, str, tuple[tuple[bytes, bytes], ...]]


class ReplyCache:
    """The layer directly around Gradio's app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._replies: OrderedDict[Key, list[Message]] = OrderedDict()  # the one used last at the end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rule = find_route("GET", path_in_app(scope)) if scope["type"] == "http" and scope["method"] == "GET" else None
        if rule is None or not rule.is_same_for_all:
            await self.app(scope, receive, send)
            return
        page = parse_qs(scope["query_string"].decode("latin-1")).get("page", [""])[0]
        query = urlencode({"page": page}) if page else ""
        headers = tuple((name, value) for name, value in scope["headers"] if name in ADDRESS_HEADERS)
        key = (scope["scheme"], scope.get("root_path", ""), scope["path"], query, headers)
        reply = self._replies.get(key)
        if reply is None:
            reply = []
            only_key = {**scope, "query_string": query.encode(), "headers": list(headers)}
            await self.app(only_key, receive, collect_in(reply))
        if reply[0]["status"] != 200:  # such as a redirect, which keeps the query
            await self.app(scope, receive, send)
            return
        self._replies[key] = reply
        self._replies.move_to_end(key)
        if len(self._replies) > MAX_REPLIES:
            self._replies.popitem(last=False)
        for message in reply:
            await send({**message, "headers": list(message["headers"])} if "headers" in message else message)


def collect_in(messages: list[Message]) -> Send:
    async def send(message: Message) -> None:
        messages.append(message)

    return send
