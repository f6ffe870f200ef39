"""A real Ray cluster of two worker processes: one is killed midway; a run is stopped and continues without Ray."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from maps.errors import MapsError, RunFailedError
from maps.mapping.mapper import map_model
from maps.mapping.ray_engine import RayEngine, RayTaskSettings, open_layer_mapper
from maps.mapping.settings import MappingSettings
from maps.types import Relation
from tests.small_models import WORDS, SmallModel, random_weights, save_model_folder

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[3]
LAYERS = 40
COPYING = Relation("copying", "algorithmic", tuple((word, word) for word in WORDS))


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of many layers."""
    small = SmallModel(layers=LAYERS)
    return save_model_folder(tmp_path_factory.mktemp("models") / "deep", small, random_weights(small))


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Ray's settings: a folder with a name short enough for a socket, an own token, one thread for each process."""
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        yield {**os.environ, **token, "RAY_TMPDIR": folder, "OMP_NUM_THREADS": "1"}


def command(model: Path, out: Path, *options: str) -> list[str]:
    maps = [sys.executable, "-m", "maps", "map", str(model), "--out", str(out), "--relations", "copying"]
    return [*maps, *options]


RAY = ("--engine", "ray", "--cpus", "1")


@pytest.fixture(scope="module")
def alone(deep: Path, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """Its atlas, mapped without Ray."""
    out = tmp_path_factory.mktemp("atlases") / "alone"
    subprocess.run(command(deep, out), cwd=ROOT, env=environment, capture_output=True, check=True)
    return out


def begun(process: subprocess.Popen[str], out: Path) -> None:
    """Waits for the first layer."""
    while process.poll() is None and not list(out.glob("parts/layer-*")):
        time.sleep(0.005)


def at_work(process: subprocess.Popen[str]) -> psutil.Process:
    """Finds a worker that is computing a layer, and stops (SIGSTOP) it there."""
    while process.poll() is None:
        for worker in psutil.Process(process.pid).children(recursive=True):
            if worker.name().startswith("ray::compute_layer"):
                worker.suspend()
                if worker.name().startswith("ray::compute_layer"):
                    return worker
                worker.resume()
    raise AssertionError("the run ended before a worker was found at work")


@contextmanager
def mapping_on_ray(model: Path, out: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    run = command(model, out, *RAY)
    with subprocess.Popen(
        run, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        begun(process, out)
        yield process


def tables(atlas: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(atlas.glob("*.parquet"))}


@pytest.mark.canary
def test_an_atlas_is_the_same_where_a_worker_is_killed_midway(
    deep: Path, alone: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    out = tmp_path / "atlas"
    with mapping_on_ray(deep, out, environment) as process:
        at_work(process).kill()
        assert len(list(out.glob("parts/layer-*"))) < LAYERS
        printed, errors = process.communicate(timeout=300)
    assert (process.returncode, printed) == (0, f"Mapped {4 * LAYERS} heads of deep: the atlas is in {out}.\n")
    assert "Ray: 2 layers at once on 1 machine, 1 thread for each layer." in errors
    assert (
        len(
            re.findall(
                r"The worker of layer \d+ was lost \(WorkerCrashedError\); the layer is computed again\.", errors
            )
        )
        == 1
    )
    assert tables(out) == tables(alone)


@pytest.mark.long
def test_a_stopped_run_on_ray_continues_without_ray(
    deep: Path, alone: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    out = tmp_path / "atlas"
    with mapping_on_ray(deep, out, environment) as process:
        mine = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert (process.returncode, errors.count("Traceback")) == (130, 0)
    assert errors.rstrip("\n").split("\n")[-1] == "Stopped. Run the same command again to go on where it stopped."
    assert psutil.wait_procs(mine, timeout=60)[1] == []  # nothing of Ray is left running
    kept = len(list(out.glob("parts/layer-*")))
    assert 0 < kept < LAYERS
    done = subprocess.run(command(deep, out), cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert f"{kept}/{LAYERS}" in done.stderr  # where the bar began
    assert tables(out) == tables(alone)


def test_without_ray_it_is_never_imported(small_model: Path, tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['ray'] = None; from maps.__main__ import main; sys.exit(main(sys.argv[1:]))"
    run = [sys.executable, "-c", blocked, *command(small_model, tmp_path / "atlas")[3:]]
    assert subprocess.run(run, cwd=ROOT, capture_output=True, check=False).returncode == 0


def refused(asked: RayTaskSettings, pattern: str) -> None:
    with pytest.raises(MapsError, match=pattern):
        open_layer_mapper(asked)


def test_a_machine_that_lacks_the_model_or_has_another_one_says_so(small_model: Path, tmp_path: Path) -> None:
    asked = RayTaskSettings(str(tmp_path / "nowhere"), "0", None, MappingSettings((COPYING,)), "cpu", 1)
    refused(asked, r"^The machine \S+ has no \S+/nowhere; put the model into a folder that all machines share, or name")
    refused(
        replace(asked, model=str(small_model)), r"^The machine \S+ has another \S+/small: its revision is \w+, not 0;"
    )


def test_an_unreachable_cluster_is_reported_at_once(small_model: Path, tmp_path: Path) -> None:
    message = (
        r"^No Ray cluster can be used at 127\.0\.0\.1:1 \(.*refused\); check --address, and set RAY_AUTH_MODE=token"
    )
    with pytest.raises(RunFailedError, match=message):
        map_model(str(small_model), tmp_path / "atlas", MappingSettings((COPYING,)), engine=RayEngine("127.0.0.1:1"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--cpus", "2"], "--address and --cpus are options of Ray; add --engine ray."),
        (["--address", "auto"], "--address and --cpus are options of Ray; add --engine ray."),
        (
            ["--engine", "ray", "--device", "cuda:1"],
            "Ray assigns free GPUs to layers by itself; use --device cuda, not cuda:1.",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: Sequence[str], sentence: str, small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from maps.__main__ import main

    assert main(command(small_model, tmp_path / "atlas", *options)[3:]) == 2
    assert capsys.readouterr().err == f"{sentence}\n"
