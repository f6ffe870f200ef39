"""Spaces of the loopback Hub: settings, hardware, and how a Space goes from a commit to running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.hub.repository import CREATED_AT, Json, RefusedRequestError, Repository
from tests.hub.routing import KINDS_BY_PATH, HubReply, HubRequest, HubState, require_token, route, visible_repository

FREE_HARDWARE = ("zero-a10g",)  # what an account without a plan may ask for
CHECKS_UNTIL_RUNNING = 2  # looks at a Space that it takes to start


@dataclass
class LoopbackSpace:
    """A Space beside its files: secrets and variables with their descriptions, hardware, and what it went through."""

    hardware: str = "cpu-basic"
    secrets: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    failure_stage: str = ""  # the stage in which every start ends
    is_paused: bool = False
    starts: int = 0
    status_checks: int = 0

    def start(self) -> None:
        """What a commit, a setting or a restart leads to."""
        self.starts, self.status_checks, self.is_paused = self.starts + 1, 0, False

    def runtime(self, files: Repository) -> Json:
        """How it is; each look brings it on."""
        self.status_checks += 1
        stage = self.failure_stage or ("RUNNING" if self.status_checks > CHECKS_UNTIL_RUNNING else "BUILDING")
        if "app.py" not in files.head.files:
            stage = "NO_APP_FILE"
        hardware = {"current": None if stage == "BUILDING" else self.hardware, "requested": self.hardware}
        said: Json = {"stage": "PAUSED" if self.is_paused else stage, "hardware": hardware, "gcTimeout": None}
        return {**said, "sha": files.head.oid, **({"errorMessage": "Exit code: 1"} if self.failure_stage else {})}


def create_space(hub: HubState, name: str, options: Json) -> None:
    """A new Space, if the account may have it."""
    hardware = options.get("hardware") or "cpu-basic"
    check_paid(hub, hardware)
    hub.spaces[name] = LoopbackSpace(hardware)


def check_paid(hub: HubState, hardware: str) -> None:
    """Raises Refused where the account's plan does not reach."""
    if not hub.has_paid_plan and hardware not in FREE_HARDWARE:
        raise RefusedRequestError(402, "", "Payment required")


def editable_space(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> LoopbackSpace:
    """The Space of an address, for whoever may change it."""
    require_token(hub, request)
    return hub.spaces[visible_repository(hub, request, "space", part["repo"]).name]


@route("GET", "/api/spaces/{repo}/secrets")
def list_secrets(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    found = editable_space(hub, request, part).secrets
    return HubReply.json_reply(
        {name: {"description": told, "updatedAt": CREATED_AT} for name, (_, told) in found.items()}
    )


@route("POST", "/api/spaces/{repo}/secrets")
def set_secret(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    space, wanted = editable_space(hub, request, part), request.json
    space.secrets[wanted["key"]] = (wanted["value"], wanted.get("description"))
    space.start()
    return HubReply.json_reply({})


@route("GET", "/api/spaces/{repo}/variables")
def list_variables(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    found = editable_space(hub, request, part).variables
    return HubReply.json_reply({name: {"value": value, "updatedAt": CREATED_AT} for name, value in found.items()})


@route("POST", "/api/spaces/{repo}/variables")
def set_variable(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    space, wanted = editable_space(hub, request, part), request.json
    space.variables[wanted["key"]] = wanted["value"]
    space.start()
    return list_variables(hub, request, part)


@route("DELETE", "/api/spaces/{repo}/variables")
def delete_variable(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    space, name = editable_space(hub, request, part), request.json["key"]
    if name not in space.variables:
        raise RefusedRequestError(404, "", "There is no such variable")
    del space.variables[name]
    space.start()
    return list_variables(hub, request, part)


@route("GET", "/api/spaces/{repo}/runtime")
def space_runtime(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    files = visible_repository(hub, request, "space", part["repo"])
    return HubReply.json_reply(hub.spaces[files.name].runtime(files))


@route("POST", "/api/spaces/{repo}/hardware")
def set_hardware(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    space, wanted = editable_space(hub, request, part), request.json["flavor"]
    check_paid(hub, wanted)
    space.hardware = wanted
    space.start()
    return space_runtime(hub, request, part)


@route("POST", "/api/spaces/{repo}/restart")
def restart_space(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    editable_space(hub, request, part).start()
    return space_runtime(hub, request, part)


@route("PUT", "/api/{kinds}/{repo}/settings")
def set_visibility(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    require_token(hub, request)
    found = visible_repository(hub, request, KINDS_BY_PATH[part["kinds"]], part["repo"])
    found.private = request.json.get("visibility", "private" if request.json.get("private") else "public") == "private"
    return HubReply.json_reply({"private": found.private})
