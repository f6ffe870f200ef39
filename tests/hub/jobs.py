"""Jobs of the loopback Hub: kept and never run; what they print and how they end is ordered by a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.hub.repository import WHEN, Refused
from tests.hub.routing import USER, Reply, Request, State, check_known, route

GPU = {"type": "gpu", "model": "T4", "quantity": "1", "vram": "16 GB", "manufacturer": "Nvidia"}
MACHINES: list[dict[str, Any]] = [
    {"name": "cpu-upgrade", "prettyName": "CPU Upgrade", "cpu": "8 vCPU", "ram": "32 GB", "unitCostMicroUSD": 500},
    {
        "name": "t4-small",
        "prettyName": "T4",
        "cpu": "4 vCPU",
        "ram": "15 GB",
        "unitCostMicroUSD": 6667,
        "accelerator": GPU,
    },
]


@dataclass
class Jobs:
    """The Jobs so far, as they were asked for, by id; `printed` and `end` hold for all, `poor` has no paid balance."""

    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)
    printed: tuple[str, ...] = ("hello",)
    end: str = "COMPLETED"
    poor: bool = False


def info(hub: State, job: str) -> dict[str, Any]:
    """What the Hub says of a Job; secrets by their names alone."""
    if job not in hub.jobs.asked:
        raise Refused(404, "NotFound", "Job not found")
    asked = hub.jobs.asked[job]
    owner = {"id": "0" * 24, "name": asked["namespace"], "type": "user"}
    told = {key: value for key, value in asked.items() if key not in ("secrets", "namespace", "expose")}
    return {**told, "id": job, "createdAt": WHEN, "owner": owner, "status": {"stage": hub.jobs.stages[job]}}


@route("GET", "/api/jobs/hardware")
def hardware(_hub: State, _request: Request, _part: Mapping[str, str]) -> Reply:
    return Reply.of([{"unitLabel": "minute", "unitCostUSD": m["unitCostMicroUSD"] / 1e6, **m} for m in MACHINES])


@route("POST", "/api/jobs/(?P<namespace>[^/]+)")
def run(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    check_known(hub, request)
    if part["namespace"] != USER:
        raise Refused(403, "", "Forbidden")
    if hub.jobs.poor:
        raise Refused(402, "", "Payment required")
    job = f"{len(hub.jobs.asked):024x}"
    hub.jobs.asked[job] = {**request.json, "namespace": part["namespace"]}
    hub.jobs.stages[job] = "RUNNING"
    return Reply.of(info(hub, job))


@route("GET", "/api/jobs/(?P<namespace>[^/]+)")
def jobs(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    check_known(hub, request)
    wanted = [tuple(each.split("=", 1)) for each in request.query.get("label", [])]
    mine = [job for job, asked in hub.jobs.asked.items() if asked["namespace"] == part["namespace"]]
    fitting = [job for job in mine if set(wanted) <= set(hub.jobs.asked[job].get("labels", {}).items())]
    return Reply.of([info(hub, job) for job in fitting])


@route("GET", "/api/jobs/(?P<namespace>[^/]+)/(?P<job>[0-9a-f]+)")
def job_info(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    check_known(hub, request)
    return Reply.of(info(hub, part["job"]))


@route("GET", "/api/jobs/(?P<namespace>[^/]+)/(?P<job>[0-9a-f]+)/logs")
def logs(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    """Everything that the Job prints; it has ended when this is read."""
    check_known(hub, request)
    info(hub, part["job"])
    hub.jobs.stages[part["job"]] = hub.jobs.end
    events = [json.dumps({"data": line, "timestamp": WHEN}) for line in hub.jobs.printed]
    body = "".join(f"data: {event}\n\n" for event in events)
    return Reply(200, body.encode(), {"Content-Type": "text/event-stream"})
