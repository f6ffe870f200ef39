"""Requests, replies and the table of routes of the loopback Hub; who may see which repository."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from tests.hub.repository import Refused, Repository

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
PREFIXES = {"model": "", "dataset": "datasets/", "space": "spaces/"}
USER = "tester"


@dataclass(frozen=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, list[str]]:
        """What follows the question mark."""
        return parse_qs(urlsplit(self.path).query)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Reply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: object, status: int = 200, **headers: str) -> Reply:
        """A JSON answer; underscores of header names are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(data).encode(), {"Content-Type": "application/json", **named})


class State(Protocol):
    """What a Hub holds."""

    url: str
    files_url: str
    token: str
    ranges: bool
    repositories: dict[tuple[str, str], Repository]
    objects: dict[str, bytes]
    jobs: Any  # tests.hub.jobs.Jobs
    spaces: dict[str, Any]
    account: dict[str, Any]
    pays: bool


Answer = Callable[[State, Request, Mapping[str, str]], Reply]
ROUTES: list[tuple[str, re.Pattern[str], Answer]] = []


def route(method: str, pattern: str) -> Callable[[Answer], Answer]:
    """Registers an answer; `{kinds}`, `{repo}`, `{rev}`, `{path}` stand for parts of an address."""
    parts = {"kinds": "models|datasets|spaces", "repo": "[^/]+(?:/[^/]+)?", "rev": "[^/]+", "path": ".+"}
    parts |= {"prefix": "datasets/|spaces/|", "oid": "[0-9a-f]{64}"}
    text = re.sub(r"\{(\w+)\}", lambda found: f"(?P<{found[1]}>{parts[found[1]]})", pattern)

    def register(answer: Answer) -> Answer:
        ROUTES.append((method, re.compile(text), answer))
        return answer

    return register


def is_known(hub: State, request: Request) -> bool:
    """Whether the request carries the Hub's token; raises Refused where it carries another one."""
    sent = request.headers.get("authorization")
    if sent not in (None, f"Bearer {hub.token}"):
        raise Refused(401, "", "Invalid credentials in Authorization header")
    return sent is not None


def check_known(hub: State, request: Request) -> None:
    """Raises Refused where a request that changes something carries no token."""
    if not is_known(hub, request):
        raise Refused(401, "", "Invalid username or password.")


def repository(hub: State, request: Request, kind: str, name: str) -> Repository:
    """A repository that the request may see; strangers are not told which ones exist."""
    known = is_known(hub, request)
    found = hub.repositories.get((kind, name))
    if found is None or (found.private and not known):
        raise Refused(404 if known else 401, "RepoNotFound", "Repository not found")
    return found


def of_api(hub: State, request: Request, part: Mapping[str, str]) -> Repository:
    """The repository of an address below /api."""
    return repository(hub, request, KINDS[part["kinds"]], part["repo"])
