"""A Ray cluster of three machines, which are processes here: one hands out the layers, one of the other two is lost."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.ports import free_port
from tests.small_models import SmallModel, random_weights, save_model_folder

ROOT = Path(__file__).parents[2]
LAYERS = 100
LONGEST_START = 120.0  # seconds
pytestmark = pytest.mark.long


class Machines:
    """The machines so far; all end with the block."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
        self.environment = {**os.environ, **token, "RAY_TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
        self.address = f"127.0.0.1:{free_port()}"
        self.folder, self.stack = folder, stack

    def start(self, *options: str) -> psutil.Popen:
        """Starts one and waits until it is ready."""
        ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--node-ip-address=127.0.0.1"]
        log = self.folder / f"{time.monotonic_ns()}.log"
        with log.open("wb") as out:
            command = [*ray, "--object-store-memory=100000000", *options]
            machine = psutil.Popen(command, cwd=self.folder, env=self.environment, stdout=out, stderr=out)
        self.stack.callback(self.lose, machine)
        end = time.monotonic() + LONGEST_START
        while "Ray runtime started" not in log.read_text():
            assert machine.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        return machine

    def lose(self, machine: psutil.Popen) -> None:
        if machine.poll() is None:
            processes = [machine, *machine.children(recursive=True)]
            for process in processes:
                process.kill()
            machine.wait()
            psutil.wait_procs(processes[1:], timeout=10)


@pytest.fixture
def machines() -> Iterator[Machines]:
    with tempfile.TemporaryDirectory(prefix="ray-") as folder, ExitStack() as stack:
        yield Machines(Path(folder), stack)


def is_at_work(machine: psutil.Popen) -> bool:
    """Whether one of a machine's workers computes: Ray names them after what they do."""
    titles = []
    for process in machine.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            titles.append(" ".join(process.cmdline()))
    return any(title.startswith("ray::") and not title.startswith("ray::IDLE") for title in titles)


def tables(atlas: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(atlas.glob("*.parquet"))}


def test_an_atlas_is_the_same_where_a_machine_of_the_cluster_is_lost(machines: Machines, tmp_path: Path) -> None:
    small = SmallModel(layers=LAYERS)
    model = save_model_folder(tmp_path / "deep", small, random_weights(small))
    run = [sys.executable, "-m", "maps", "map", str(model), "--relations", "copying"]
    machines.start(
        "--head", f"--port={machines.address.partition(':')[2]}", "--num-cpus=0", "--include-dashboard=false"
    )
    lost, _ = (machines.start(f"--address={machines.address}", "--num-cpus=1") for _ in range(2))
    out = tmp_path / "atlas"
    ray = [*run, "--out", str(out), "--engine", "ray", "--address", machines.address]
    with subprocess.Popen(
        ray, cwd=ROOT, env=machines.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not (list(out.glob("parts/layer-*")) and is_at_work(lost)):
            time.sleep(0.005)
        machines.lose(lost)
        assert len(list(out.glob("parts/layer-*"))) < LAYERS
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "Ray: 2 layers at once on 2 machines, 1 thread for each layer." in said
    assert re.search(r"The worker of layer \d+ was lost \(\w+\); the layer is computed again\.", said)
    alone = tmp_path / "alone"
    subprocess.run([*run, "--out", str(alone)], cwd=ROOT, env=machines.environment, capture_output=True, check=True)
    assert tables(out) == tables(alone)
    more = subprocess.run([*ray[:-6], "--out", str(tmp_path / "x"), *ray[-4:], "--cpus", "2"], cwd=ROOT,
                          env=machines.environment, capture_output=True, text=True, check=False)  # fmt: skip
    assert more.returncode == 2
    assert more.stderr.rstrip().endswith("No machine of the cluster has 2 processors; set --cpus to 1 or fewer.")
