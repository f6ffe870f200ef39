"""Requests, replies and the table of routes of the loopback Hub; who may see which repository."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from tests.hub.repository import RefusedRequestError, Repository

KINDS_BY_PATH = {"models": "model", "datasets": "dataset", "spaces": "space"}
PREFIXES_BY_KIND = {"model": "", "dataset": "datasets/", "space": "spaces/"}
USER_NAME = "tester"


@dataclass(frozen=True)
class HubRequest:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HubReply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json_reply(cls, data: object, status: int = 200, **headers: str) -> HubReply:
        """A JSON answer; underscores of header names are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(data).encode(), {"Content-Type": "application/json", **named})


class HubState(Protocol):
    """What a Hub holds."""

    url: str
    files_url: str
    token: str
    supports_ranges: bool
    repositories: dict[tuple[str, str], Repository]
    objects: dict[str, bytes]
    jobs: Any  # tests.hub.jobs.Jobs
    spaces: dict[str, Any]
    account: dict[str, Any]
    has_paid_plan: bool


RouteHandler = Callable[[HubState, HubRequest, Mapping[str, str]], HubReply]
ROUTES: list[tuple[str, re.Pattern[str], RouteHandler]] = []


def route(method: str, pattern: str) -> Callable[[RouteHandler], RouteHandler]:
    """Registers an answer; `{kinds}`, `{repo}`, `{rev}`, `{path}` stand for parts of an address."""
    parts = {"kinds": "models|datasets|spaces", "repo": "[^/]+(?:/[^/]+)?", "rev": "[^/]+", "path": ".+"}
    parts |= {"prefix": "datasets/|spaces/|", "oid": "[0-9a-f]{64}"}
    text = re.sub(r"\{(\w+)\}", lambda found: f"(?P<{found[1]}>{parts[found[1]]})", pattern)

    def register(answer: RouteHandler) -> RouteHandler:
        ROUTES.append((method, re.compile(text), answer))
        return answer

    return register


def has_token(hub: HubState, request: HubRequest) -> bool:
    """Whether the request carries the Hub's token; raises Refused where it carries another one."""
    sent = request.headers.get("authorization")
    if sent not in (None, f"Bearer {hub.token}"):
        raise RefusedRequestError(401, "", "Invalid credentials in Authorization header")
    return sent is not None


def require_token(hub: HubState, request: HubRequest) -> None:
    """Raises Refused where a request that changes something carries no token."""
    if not has_token(hub, request):
        raise RefusedRequestError(401, "", "Invalid username or password.")


def visible_repository(hub: HubState, request: HubRequest, kind: str, name: str) -> Repository:
    """A repository that the request may see; strangers are not told which ones exist."""
    known = has_token(hub, request)
    found = hub.repositories.get((kind, name))
    if found is None or (found.private and not known):
        raise RefusedRequestError(404 if known else 401, "RepoNotFound", "Repository not found")
    return found


def api_repository(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> Repository:
    return visible_repository(hub, request, KINDS_BY_PATH[part["kinds"]], part["repo"])
