"""The jobs and atlases of a Space survive the loss of its disk: a private dataset keeps them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maps.atlas.reader import Atlas
from maps.errors import HubError
from maps.hub.repository import HubDataset
from space.jobs.job import JobRequest, State, Step
from space.jobs.keeper import JobKeeper
from space.jobs.runner import JobRunner
from space.jobs.store import JobStore
from tests.hub.loopback import TOKEN, LoopbackHub
from tests.small_models import SmallModel, random_weights, save_model_folder
from tests.space.jobs.waiting import wait_for, wait_until

NAME = "tester/space-atlases"
SMALL = SmallModel(layers=6)


def keeper_of(hub: LoopbackHub, data: Path) -> JobKeeper:
    store = JobStore(data / "jobs" / "jobs.sqlite")
    return JobKeeper(HubDataset(NAME, TOKEN, hub.url, ()), store, data)


def mapping(model: Path, data: Path) -> JobRequest:
    out = str(data.resolve() / "atlases" / "small")
    steps = (
        Step("mapping", ("map", str(model), "--out", out, "--relations", "copying")),
        Step("describing", ("describe", out, "--describer", "offline")),
    )
    return JobRequest("Map small", out, steps, "organiser")


@contextmanager
def running(hub: LoopbackHub, data: Path) -> Iterator[JobRunner]:
    keeper = keeper_of(hub, data)
    runner = JobRunner(keeper._store, data / "jobs", os.environ, keeper=keeper)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def stored_file(data: Path, name: str, content: bytes) -> None:
    path = data / "atlases" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_files_are_sent_once_and_deleted_when_they_are_gone(hub: LoopbackHub, tmp_path: Path) -> None:
    keeper = keeper_of(hub, tmp_path)
    assert keeper.keep() is None  # nothing to keep, so no dataset is made
    assert ("dataset", NAME) not in hub.repositories
    keeper._store.add(mapping(tmp_path, tmp_path))
    stored_file(tmp_path, "small/heads.parquet", b"heads")
    stored_file(tmp_path, "small/.lock", b"")
    stored_file(tmp_path, "small/calibration.safetensors.parts/streams-00", b"gigabytes")
    assert keeper.keep() is not None
    assert keeper.keep() is None
    files = hub.repositories["dataset", NAME].head.files
    assert set(files) - {".gitattributes"} == {"jobs.json", "atlases/small/heads.parquet"}
    (tmp_path / "atlases" / "small" / "heads.parquet").unlink()
    assert keeper.keep() is not None
    assert "atlases/small/heads.parquet" not in hub.repositories["dataset", NAME].head.files


def test_an_empty_disk_gets_everything_back_under_another_path(hub: LoopbackHub, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    keeper = keeper_of(hub, old)
    keeper._store.add(mapping(tmp_path, old))
    stored_file(old, "small/parts/layer-000/heads.parquet", b"heads")
    keeper.keep()
    fresh = keeper_of(hub, new)
    fresh.restore()
    [job] = fresh._store.all_jobs()
    assert (job.title, job.folder) == ("Map small", str(new.resolve() / "atlases" / "small"))
    assert job.steps[0].arguments[3] == job.folder
    assert (new / "atlases/small/parts/layer-000/heads.parquet").read_bytes() == b"heads"
    fresh.restore()  # again: nothing is added
    assert len(fresh._store.all_jobs()) == 1


def test_a_public_or_hostile_dataset_is_not_restored(hub: LoopbackHub, tmp_path: Path) -> None:
    rows = json.dumps([]).encode()
    hub.add_dataset(NAME, {"jobs.json": rows, "atlases/../../evil": b"x"}, private=True)
    keeper_of(hub, tmp_path / "data").restore()
    assert not (tmp_path / "evil").exists()
    hub.add_dataset("tester/public", {"jobs.json": rows})
    keeper = JobKeeper(HubDataset("tester/public", TOKEN, hub.url, ()), JobStore(tmp_path / "j.sqlite"), tmp_path)
    with pytest.raises(HubError, match="is public"):
        keeper.restore()


@pytest.mark.process
def test_a_job_goes_on_where_a_lost_disk_had_it(hub: LoopbackHub, tmp_path: Path) -> None:
    model = save_model_folder(tmp_path / "model", SMALL, random_weights(SMALL))
    old, new = tmp_path / "old", tmp_path / "new"
    with running(hub, old) as runner:
        wait_until(lambda: runner.problems(), lambda problems: not problems)
        job = runner.submit(mapping(model, old))
        wait_until(lambda: job, lambda _: any((old / "atlases").glob("small/*/layer-*")))
    layers = sorted(path.name for path in (old / "atlases").glob("small/*/layer-*"))
    with running(hub, new) as runner:
        wait_until(lambda: runner.problems(), lambda problems: not problems)
        if layers:  # it may have finished before it was stopped
            assert sorted(path.name for path in (new / "atlases").glob("small/*/layer-*"))[: len(layers)] == layers
        done = wait_for(runner, job, State.DONE, State.FAILED)
        assert (done.state, done.message) == (State.DONE, "")
    assert len(Atlas.open(new / "atlases" / "small").descriptions()) == 24
    kept = hub.repositories["dataset", NAME].head.files
    assert json.loads(kept["jobs.json"])[0]["state"] == "done"
    assert "atlases/small/descriptions.parquet" in kept
    assert not any("layer-" in path for path in kept)
