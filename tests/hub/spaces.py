"""Spaces of the loopback Hub: settings, hardware, and how a Space goes from a commit to running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.hub.repository import WHEN, Json, Refused, Repository
from tests.hub.routing import KINDS, Reply, Request, State, check_known, repository, route

FREE = ("zero-a10g",)  # what an account without a plan may ask for
BUILDING = 2  # looks at a Space that it takes to start


@dataclass
class Space:
    """A Space beside its files: secrets and variables with their descriptions, hardware, and what it went through."""

    hardware: str = "cpu-basic"
    secrets: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    broken: str = ""  # the stage in which every start ends
    paused: bool = False
    starts: int = 0
    looks: int = 0

    def start(self) -> None:
        """What a commit, a setting or a restart leads to."""
        self.starts, self.looks, self.paused = self.starts + 1, 0, False

    def runtime(self, files: Repository) -> Json:
        """How it is; each look brings it on."""
        self.looks += 1
        stage = self.broken or ("RUNNING" if self.looks > BUILDING else "BUILDING")
        if "app.py" not in files.head.files:
            stage = "NO_APP_FILE"
        hardware = {"current": None if stage == "BUILDING" else self.hardware, "requested": self.hardware}
        said: Json = {"stage": "PAUSED" if self.paused else stage, "hardware": hardware, "gcTimeout": None}
        return {**said, "sha": files.head.oid, **({"errorMessage": "Exit code: 1"} if self.broken else {})}


def made(hub: State, name: str, wanted: Json) -> None:
    """A new Space, if the account may have it."""
    hardware = wanted.get("hardware") or "cpu-basic"
    check_paid(hub, hardware)
    hub.spaces[name] = Space(hardware)


def check_paid(hub: State, hardware: str) -> None:
    """Raises Refused where the account's plan does not reach."""
    if not hub.pays and hardware not in FREE:
        raise Refused(402, "", "Payment required")


def asked(hub: State, request: Request, part: Mapping[str, str]) -> Space:
    """The Space of an address, for whoever may change it."""
    check_known(hub, request)
    return hub.spaces[repository(hub, request, "space", part["repo"]).name]


@route("GET", "/api/spaces/{repo}/secrets")
def secrets(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    found = asked(hub, request, part).secrets
    return Reply.of({name: {"description": told, "updatedAt": WHEN} for name, (_, told) in found.items()})


@route("POST", "/api/spaces/{repo}/secrets")
def set_secret(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    space, wanted = asked(hub, request, part), request.json
    space.secrets[wanted["key"]] = (wanted["value"], wanted.get("description"))
    space.start()
    return Reply.of({})


@route("GET", "/api/spaces/{repo}/variables")
def variables(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    found = asked(hub, request, part).variables
    return Reply.of({name: {"value": value, "updatedAt": WHEN} for name, value in found.items()})


@route("POST", "/api/spaces/{repo}/variables")
def set_variable(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    space, wanted = asked(hub, request, part), request.json
    space.variables[wanted["key"]] = wanted["value"]
    space.start()
    return variables(hub, request, part)


@route("DELETE", "/api/spaces/{repo}/variables")
def drop_variable(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    space, name = asked(hub, request, part), request.json["key"]
    if name not in space.variables:
        raise Refused(404, "", "There is no such variable")
    del space.variables[name]
    space.start()
    return variables(hub, request, part)


@route("GET", "/api/spaces/{repo}/runtime")
def runtime(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    files = repository(hub, request, "space", part["repo"])
    return Reply.of(hub.spaces[files.name].runtime(files))


@route("POST", "/api/spaces/{repo}/hardware")
def ask_hardware(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    space, wanted = asked(hub, request, part), request.json["flavor"]
    check_paid(hub, wanted)
    space.hardware = wanted
    space.start()
    return runtime(hub, request, part)


@route("POST", "/api/spaces/{repo}/restart")
def restart(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    asked(hub, request, part).start()
    return runtime(hub, request, part)


@route("PUT", "/api/{kinds}/{repo}/settings")
def settings(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    check_known(hub, request)
    found = repository(hub, request, KINDS[part["kinds"]], part["repo"])
    found.private = request.json.get("visibility", "private" if request.json.get("private") else "public") == "private"
    return Reply.of({"private": found.private})
