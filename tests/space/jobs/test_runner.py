"""Jobs of the app: they run one after the other, can be stopped and go on, and survive the app."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maps.atlas.reader import Atlas
from space.jobs.job import JobError, JobRequest, Progress, State, Step
from space.jobs.runner import KEY_GONE_MESSAGE, OTHER_APP_MESSAGE, JobRunner
from space.jobs.store import JobStore
from tests.small_models import SmallModel, random_weights, save_model_folder
from tests.space.jobs.waiting import wait_for, wait_until

pytestmark = pytest.mark.process
SMALL = SmallModel(layers=6)
APP_SCRIPT = """
import os, sys, time
from pathlib import Path
from space.jobs.runner import JobRunner
from space.jobs.store import JobStore
folder = Path(sys.argv[1])
runner = JobRunner(JobStore(folder / "jobs.sqlite"), folder, os.environ)
runner.start()
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model_folder(tmp_path_factory.mktemp("model"), SMALL, random_weights(SMALL))


@contextmanager
def running(folder: Path, on_folder: Callable[[Path], None] = lambda _folder: None) -> Iterator[JobRunner]:
    store = JobStore(folder / "jobs.sqlite")
    runner = JobRunner(store, folder, os.environ, on_folder)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def mapping(model: Path, out: Path) -> JobRequest:
    steps = (
        Step("mapping the heads", ("map", str(model), "--out", str(out), "--relations", "copying")),
        Step("reference", ("describe", str(out), "--describer", "reference"), is_optional=True),
        Step("describing by rules", ("describe", str(out), "--describer", "offline")),
    )
    return JobRequest(f"Map {model.name}", str(out), steps, "organiser")


def failing(folder: Path) -> JobRequest:
    steps = (Step("describing", ("describe", str(folder / "no-atlas"), "--describer", "offline")),)
    return JobRequest("Describe nothing", str(folder), steps, "organiser")


def test_a_job_maps_and_describes_a_model_and_tells_how_far_it_is(tmp_path: Path, model: Path) -> None:
    seen: list[Progress] = []

    def note(folder: Path) -> None:
        assert folder == tmp_path / "atlas"
        job = runner.running_job()
        if job is not None and (progress := runner.progress(job)) is not None:
            seen.append(progress)

    with running(tmp_path / "jobs", note) as runner:
        done = wait_for(runner, runner.submit(mapping(model, tmp_path / "atlas")), State.DONE, State.FAILED)
        assert (done.state, done.message, done.finished_steps) == (State.DONE, "", 3)
        assert done.started_at is not None
        assert done.ended_at is not None
        assert done.started_at < done.ended_at
        lines = runner.log_lines(done, 3)
    assert (seen[0].doing, seen[0].done, seen[0].total, seen[0].unit) == ("mapping", 0, SMALL.layers, "layer")
    assert (seen[-1].doing, seen[-1].done, seen[-1].total) == ("describing", 24, 24)
    assert lines[-1].startswith("It sees a pattern in")
    assert len(Atlas.open(tmp_path / "atlas").descriptions()) == 24


def test_a_job_that_fails_says_why_and_the_next_one_runs(tmp_path: Path, model: Path) -> None:
    with running(tmp_path / "jobs") as runner:
        first = runner.submit(failing(tmp_path))
        second = runner.submit(mapping(model, tmp_path / "atlas"))
        with pytest.raises(JobError, match=r"This job is (queued|running) already: Map "):
            runner.submit(mapping(model, tmp_path / "atlas"))
        assert wait_for(runner, second, State.DONE, State.FAILED).state is State.DONE
        failed = runner.store.job(first.job_id)
        assert failed.state is State.FAILED
        assert "is not an atlas" in failed.message
        assert wait_for(runner, runner.resume(first.job_id), State.FAILED).started_at > failed.started_at  # type: ignore[operator]


def test_a_running_job_is_paused_and_goes_on_where_it_stopped(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "atlas"
    with running(tmp_path / "jobs") as runner:
        job = runner.submit(mapping(model, out))
        wait_until(lambda: runner.store.job(job.job_id), lambda _: any(out.glob("*/layer-*")))
        runner.pause(job.job_id)
        paused = wait_for(runner, job, State.PAUSED, State.DONE)
        assert paused.state is State.PAUSED
        runner.resume(job.job_id)
        assert wait_for(runner, job, State.DONE, State.FAILED).state is State.DONE


def test_queued_jobs_are_cancelled_and_paused_without_running(tmp_path: Path, model: Path) -> None:
    with running(tmp_path / "jobs") as runner:
        first = runner.submit(mapping(model, tmp_path / "atlas"))
        second, third = runner.submit(failing(tmp_path / "a")), runner.submit(failing(tmp_path / "b"))
        assert runner.cancel(second.job_id).state is State.CANCELLED
        assert runner.pause(third.job_id).state is State.PAUSED
        with pytest.raises(JobError, match="The job is cancelled already"):
            runner.resume(second.job_id)
        wait_for(runner, first, State.RUNNING)
        runner.cancel(first.job_id)
        assert wait_for(runner, first, State.CANCELLED, State.DONE).state is State.CANCELLED
        assert runner.log_lines(second, 5) == []


def test_a_killed_app_finds_its_job_again_and_finishes_it(tmp_path: Path, model: Path) -> None:
    folder, out = tmp_path / "jobs", tmp_path / "atlas"
    folder.mkdir()
    with JobStore(folder / "jobs.sqlite") as store:
        job = store.add(mapping(model, out))
    app = subprocess.Popen([sys.executable, "-c", APP_SCRIPT, str(folder)], stdout=subprocess.DEVNULL)
    with JobStore(folder / "jobs.sqlite") as store:
        wait_until(lambda: store.job(job.job_id), lambda _: any(out.glob("*/layer-*")))
        app.kill()
        app.wait()
        assert store.job(job.job_id).state is State.RUNNING
    with running(folder) as runner:
        done = wait_for(runner, job, State.DONE, State.FAILED, State.PAUSED)
        assert (done.state, done.message) == (State.DONE, "")


def test_an_app_that_ends_leaves_its_job_for_the_next_start(tmp_path: Path, model: Path) -> None:
    folder, out = tmp_path / "jobs", tmp_path / "atlas"
    with running(folder) as runner:
        job = runner.submit(mapping(model, out))
        wait_until(lambda: runner.store.job(job.job_id), lambda _: any(out.glob("*/layer-*")))
    with JobStore(folder / "jobs.sqlite") as store:
        assert store.job(job.job_id).state is State.QUEUED
    with running(folder) as runner:
        assert wait_for(runner, job, State.DONE, State.FAILED).state is State.DONE


def test_a_key_is_kept_in_memory_only_and_asked_for_again(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    request = failing(tmp_path)
    keyed = JobRequest(request.title, request.folder, request.steps, "organiser", {"OPENAI_API_KEY": "sk-secret-1"})
    folder.mkdir()
    with JobStore(folder / "jobs.sqlite") as store:
        job = store.add(keyed)
    with running(folder) as runner:
        paused = wait_for(runner, job, State.PAUSED, State.FAILED)
        assert (paused.state, paused.message) == (State.PAUSED, KEY_GONE_MESSAGE)
        with pytest.raises(JobError, match="needs its key again"):
            runner.resume(job.job_id)
        runner.resume(job.job_id, "sk-secret-2")
        assert wait_for(runner, job, State.FAILED).state is State.FAILED
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"sk-secret" not in kept


def test_of_two_apps_with_one_data_folder_one_runs_jobs(tmp_path: Path) -> None:
    script = [sys.executable, "-c", APP_SCRIPT, str(tmp_path)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        assert app.stdout.readline() == "started\n"
        with running(tmp_path) as runner, pytest.raises(JobError, match=OTHER_APP_MESSAGE):
            runner.submit(failing(tmp_path))
        app.kill()
