"""Waits for what jobs do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from space.jobs.job import Job, State
from space.jobs.runner import JobRunner

WAIT_SECONDS = 120
Value = TypeVar("Value")


def wait_for(runner: JobRunner, job: Job, *states: State) -> Job:
    return wait_until(lambda: runner.store.job(job.job_id), lambda each: each.state in states)


def wait_until(look: Callable[[], Value], condition: Callable[[Value], bool]) -> Value:
    until = time.monotonic() + WAIT_SECONDS
    while not condition(value := look()):
        assert time.monotonic() < until, value
        time.sleep(0.02)
    return value
