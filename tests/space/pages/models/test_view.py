"""The cards of jobs: what a job does, how far it is, and which buttons apply to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from space.jobs.job import Job, Progress, State, Step
from space.pages.models.view import duration_text, jobs_html

NOW = datetime(2026, 12, 2, 3, 40, tzinfo=UTC)
STEPS = (Step("Checking that it fits here", ("map",)), Step("Mapping every head", ("map",)))
JOB = Job(1, "Map <b>small</b>", "atlas", STEPS, 1, State.RUNNING, "", "", "organiser", NOW, NOW)


def runner(progress: Progress | None = None, *lines: str) -> Any:
    return SimpleNamespace(progress=lambda _job: progress, log_lines=lambda _job, count: list(lines)[-count:])


def test_a_running_job_says_its_step_how_far_it_is_and_what_is_left() -> None:
    shown = jobs_html(runner(Progress("running", 11, 24, "pass", 4.2), "Reading: <auto>"), [JOB])
    assert "Step 2 of 2: mapping every head." in shown
    assert "running: 11 of 24 passes, about 4 seconds left" in shown
    assert '<progress max="24" value="11" aria-label="running">' in shown
    assert "<pre>Reading: &lt;auto&gt;</pre>" in shown
    assert "<h3>Map &lt;b&gt;small&lt;/b&gt;</h3>" in shown
    assert [act for act in ("pause", "cancel", "resume") if f'data-act="{act}"' in shown] == ["pause", "cancel"]


@pytest.mark.parametrize(
    ("state", "message", "words", "acts"),
    [
        (State.QUEUED, "", "<p>Waiting for its turn.</p>", ["pause", "cancel"]),
        (State.PAUSED, "Type the key again.", "<p>Paused. Type the key again.</p>", ["cancel", "resume"]),
        (State.FAILED, "No such model.", "<p>Failed. No such model.</p>", ["resume"]),
        (State.CANCELLED, "", "<p>Cancelled.</p>", []),
        (State.DONE, "", "<p>Done at 2026-12-02 03:40 UTC.</p>", []),
    ],
)
def test_other_states_are_said_with_what_can_be_done(state: State, message: str, words: str, acts: list[str]) -> None:
    shown = jobs_html(runner(), [replace(JOB, state=state, message=message, ended_at=NOW)])
    assert words in shown
    assert [act for act in ("pause", "cancel", "resume") if f'data-act="{act}"' in shown] == acts
    assert ("Earlier jobs (1)" in shown) == (state not in (State.QUEUED, State.PAUSED))


def test_time_left_is_rounded_as_people_say_it() -> None:
    assert [duration_text(seconds) for seconds in (0, 1, 89, 90, 3000, 9000)] == [
        *("1 second", "1 second", "89 seconds", "2 minutes", "50 minutes", "2 hours"),
    ]
