"""Jobs of the loopback Hub: kept and never run; what they print and how they end is ordered by a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.hub.repository import CREATED_AT, RefusedRequestError
from tests.hub.routing import USER_NAME, HubReply, HubRequest, HubState, require_token, route

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


def job_status(hub: HubState, job: str) -> dict[str, Any]:
    """What the Hub says of a Job; secrets by their names alone."""
    if job not in hub.jobs.asked:
        raise RefusedRequestError(404, "NotFound", "Job not found")
    asked = hub.jobs.asked[job]
    owner = {"id": "0" * 24, "name": asked["namespace"], "type": "user"}
    told = {key: value for key, value in asked.items() if key not in ("secrets", "namespace", "expose")}
    return {**told, "id": job, "createdAt": CREATED_AT, "owner": owner, "status": {"stage": hub.jobs.stages[job]}}


@route("GET", "/api/jobs/hardware")
def list_hardware(_hub: HubState, _request: HubRequest, _part: Mapping[str, str]) -> HubReply:
    return HubReply.json_reply(
        [{"unitLabel": "minute", "unitCostUSD": m["unitCostMicroUSD"] / 1e6, **m} for m in MACHINES]
    )


@route("POST", "/api/jobs/(?P<namespace>[^/]+)")
def start_job(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    require_token(hub, request)
    if part["namespace"] != USER_NAME:
        raise RefusedRequestError(403, "", "Forbidden")
    if hub.jobs.poor:
        raise RefusedRequestError(402, "", "Payment required")
    job = f"{len(hub.jobs.asked):024x}"
    hub.jobs.asked[job] = {**request.json, "namespace": part["namespace"]}
    hub.jobs.stages[job] = "RUNNING"
    return HubReply.json_reply(job_status(hub, job))


@route("GET", "/api/jobs/(?P<namespace>[^/]+)")
def list_jobs(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    require_token(hub, request)
    wanted = [tuple(each.split("=", 1)) for each in request.query.get("label", [])]
    mine = [job for job, asked in hub.jobs.asked.items() if asked["namespace"] == part["namespace"]]
    fitting = [job for job in mine if set(wanted) <= set(hub.jobs.asked[job].get("labels", {}).items())]
    return HubReply.json_reply([job_status(hub, job) for job in fitting])


@route("GET", "/api/jobs/(?P<namespace>[^/]+)/(?P<job>[0-9a-f]+)")
def job_info(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    require_token(hub, request)
    return HubReply.json_reply(job_status(hub, part["job"]))


@route("GET", "/api/jobs/(?P<namespace>[^/]+)/(?P<job>[0-9a-f]+)/logs")
def job_logs(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    """Everything that the Job prints; it has ended when this is read."""
    require_token(hub, request)
    job_status(hub, part["job"])
    hub.jobs.stages[part["job"]] = hub.jobs.end
    events = [json.dumps({"data": line, "timestamp": CREATED_AT}) for line in hub.jobs.printed]
    body = "".join(f"data: {event}\n\n" for event in events)
    return HubReply(200, body.encode(), {"Content-Type": "text/event-stream"})
