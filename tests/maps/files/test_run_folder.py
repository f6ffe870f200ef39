"""Resumable runs: parts and settings in a folder, which one run at a time writes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from maps.errors import MapsError
from maps.experiments.attention import evaluate_attention
from maps.experiments.correlation import evaluate_correlation
from maps.experiments.random_baseline import evaluate_random_baseline
from maps.experiments.results import ExperimentRun
from maps.files.run_folder import RunFolder
from maps.mapping.mapper import map_model
from maps.mapping.settings import MappingSettings
from maps.types import no_progress_bar
from tests.maps.conftest import COPYING

SETTINGS = MappingSettings((COPYING,), k=60, min_pairs=5)
PROGRAM = """
import sys, time
from pathlib import Path
from maps.files.run_folder import RunFolder

run = RunFolder(Path(sys.argv[1]), "test.parts")
with run.begin("evaluate", {"k": 1}):
    run.store(0, {"rows": [0]})
    print("stored", flush=True)
    time.sleep(60)
"""


@contextmanager
def running_process(out: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the folder, once it has stored part 0; it ends by kill -9."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(out)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "stored\n"
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def files(folder: Path) -> set[str]:
    """The files below a folder; the lock's own file aside."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not name.startswith(".")}


def test_parts_are_computed_once_and_returned_in_order(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "out", "test.parts")
    computed: list[int] = []
    seen: list[tuple[list[int], int]] = []

    def compute(layer: int) -> dict[str, int]:
        computed.append(layer)
        return {"layer": layer}

    def progress(missing: Sequence[int], stored: int) -> Sequence[int]:
        seen.append((list(missing), stored))
        return missing

    with run.begin("evaluate", {"k": 1, "heads": ("L0H1",)}):
        run.store(1, {"layer": 1})
        assert run.compute_missing([0, 1, 2], compute, progress) == [{"layer": layer} for layer in range(3)]
    with run.begin("evaluate", {"k": 1, "heads": ("L0H1",)}):
        assert run.compute_missing([0, 1, 2], compute, progress) == [{"layer": layer} for layer in range(3)]
    assert (computed, seen) == ([0, 2], [([0, 2], 1)])
    assert files(tmp_path / "out") == {
        "test.parts/settings.json",
        *(f"test.parts/layer-{layer:03d}.json" for layer in range(3)),
    }


def test_a_relation_of_any_name_has_a_part(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, "test.parts")
    run.store("../../a relation\n", {"rows": []})
    assert run.missing(["../../a relation\n", "other"]) == ["other"]
    assert files(tmp_path) == {"test.parts/9b3ee8e0b125698f.json"}
    with pytest.raises(MapsError, match=r"\.json is missing; run the same command again\.$"):
        run.read("other")


def test_other_settings_are_refused_and_change_nothing(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, "test.parts")
    with run.begin("evaluate", {"k": 1, "seed": 0}):
        run.store(0, {})
    start = re.escape(f"{tmp_path} holds a run with other settings (k was 1, now 2); choose another --out.")
    with pytest.raises(MapsError, match=f"^{start}$"), run.begin("evaluate", {"k": 2, "seed": 0}):
        run.store(0, {"changed": True})
    assert run.read(0) == {}


@pytest.mark.process
def test_a_killed_process_leaves_whole_parts_and_no_lock(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, "test.parts")
    with (
        running_process(tmp_path) as process,
        pytest.raises(MapsError, match=rf"process {process.pid}, `evaluate`"),
        run.begin("evaluate", {"k": 1}),
    ):
        pass
    with run.begin("evaluate", {"k": 1}):
        parts = run.compute_missing([0, 1], lambda layer: {"rows": [layer]}, no_progress_bar)
    assert parts == [{"rows": [0]}, {"rows": [1]}]


@pytest.mark.process
@pytest.mark.parametrize(
    "run",
    [
        lambda model, out: map_model(model, out, SETTINGS),
        lambda model, out: evaluate_correlation(ExperimentRun(model, out, SETTINGS)),
        lambda model, out: evaluate_attention(ExperimentRun(model, out, SETTINGS)),
        lambda model, out: evaluate_random_baseline(ExperimentRun(model, out, SETTINGS)),
    ],
    ids=["map", "correlation", "attention", "random"],
)
def test_a_run_takes_the_lock_before_it_writes_anything(
    run: Callable[[str, Path], object], small_model: Path, tmp_path: Path
) -> None:
    with running_process(tmp_path) as process:
        before = files(tmp_path)
        with pytest.raises(MapsError, match=rf"^Another run is writing into .*process {process.pid}"):
            run(str(small_model), tmp_path)
        assert files(tmp_path) == before == {"test.parts/settings.json", "test.parts/layer-000.json"}
