"""Every address that the app answers: what it is for, and which requests other sites may send to it.

Gradio has more routes than the app needs (uploads, files, streams, monitoring, proxies). What no row of this table
names does not exist for a visitor. `docs/security.md` shows the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from starlette.types import Scope


class RouteKind(Enum):
    """What a route is. Other sites may link to pages and show public files; nothing else is theirs."""

    PAGE = "page"  # HTML; other sites may link to it
    FILE = "public file"  # the same for everybody; other sites may link to it or show it
    PROGRAM = "call by name"  # of an endpoint for programs: reads what is public; few are answered at once
    CALL = "call"  # may read or change what is a person's: from the app's own pages, or from programs
    UPLOAD = "upload"  # of a large file, which is read as it arrives
    LOGIN = "login"  # Hugging Face sends the browser back to it


@dataclass(frozen=True)
class RouteRule:
    """Addresses of one kind: `pattern` is a regular expression for the whole path, without the first slash."""

    pattern: str
    methods: tuple[str, ...]
    kind: RouteKind
    purpose: str
    is_for_mcp: bool = False  # exists only if the endpoints are tools of MCP
    is_same_for_all: bool = False  # Gradio's reply depends on the address alone: see reply_cache.py

    @cached_property
    def expression(self) -> re.Pattern[str]:
        return re.compile(self.pattern)


GET, POST = ("GET", "HEAD"), ("POST",)
PAGE, FILE, PROGRAM, CALL, UPLOAD, LOGIN = RouteKind
ROUTE_RULES = (
    RouteRule(
        "(head|relation|search|try|compare|catalogue|sentence)?/?", GET, PAGE, "the explorer", is_same_for_all=True
    ),
    RouteRule(
        "(models|ask|annotate|agreement|organise|about|privacy)/?", GET, PAGE, "the other pages", is_same_for_all=True
    ),
    RouteRule("health", GET, FILE, "that the app works"),
    RouteRule(r"look/[a-z_]+(\.[a-z]+)?", GET, FILE, "tables, preview images, styles and scripts of the app"),
    RouteRule("download/[A-Za-z0-9_-]+", GET, CALL, "a file that was made for one visitor, once"),
    RouteRule("upload/[A-Za-z0-9_-]+", POST, UPLOAD, "a model's file, with a ticket that an organiser was given"),
    RouteRule("annotate/submit", POST, CALL, "an annotator's own answer, which is stored"),
    RouteRule("(assets|static|svelte)/.+", GET, FILE, "Gradio's scripts, styles and fonts"),
    RouteRule(r"(gradio_api/)?theme\.css|favicon\.ico|robots\.txt|manifest\.json", GET, FILE, "look of the pages"),
    RouteRule("config/?", GET, FILE, "the layout of all pages", is_same_for_all=True),
    RouteRule(r"gradio_api/(info/?|openapi\.json|app_id/?|startup-events)", GET, FILE, "what programs may call"),
    RouteRule("gradio_api/queue/join", POST, CALL, "a call of a page or a program"),
    RouteRule("gradio_api/queue/data", GET, CALL, "the answers to calls of one session"),
    RouteRule("gradio_api/(run|api)/predict/?", POST, CALL, "a call of a page"),
    RouteRule("gradio_api/(run|api|call|call/v2)/[A-Za-z0-9_]+/?", POST, PROGRAM, "a call of a program"),
    RouteRule("gradio_api/call/[A-Za-z0-9_]+/[A-Za-z0-9_-]+", GET, CALL, "the answer to one call"),
    RouteRule("gradio_api/(cancel|reset/?)", POST, CALL, "ends a call"),
    RouteRule("gradio_api/heartbeat/[A-Za-z0-9_-]+", GET, CALL, "that a page is still open"),
    RouteRule("login/(huggingface|callback|credits)", GET, LOGIN, "signing in with Hugging Face"),
    RouteRule("logout/?", GET, CALL, "signing out"),
    RouteRule("gradio_api/mcp(/.*)?", ("GET", "HEAD", "POST", "DELETE"), CALL, "tools for MCP", is_for_mcp=True),
)


def path_in_app(scope: Scope) -> str:
    """A request's path below the app's own address, without the first slash."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).removeprefix("/")


def find_route(method: str, path: str, has_mcp: bool = False) -> RouteRule | None:
    """The rule for a request; None if the app does not answer it. `path` has no slash at its start."""
    for rule in ROUTE_RULES:
        if (has_mcp or not rule.is_for_mcp) and method in rule.methods and rule.expression.fullmatch(path):
            return rule
    return None
