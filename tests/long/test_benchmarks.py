"""The benchmarks run, and find ours right where they look."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import agreement_scale

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.long


def run(*command: str) -> str:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_kernels_are_faster_than_the_plain_method() -> None:
    found = json.loads(run("benchmarks/map_speed.py", "--quick"))
    assert found["relations"]["ratio"] > 20
    assert found["mappings"]["ratio"] > 3
    assert found["output_space"]["ratio"] > 5


def test_a_larger_shape_is_mapped() -> None:
    found = json.loads(run("benchmarks/shapes.py", "gpt2-xl"))
    assert found["bytes_read"] <= 2 * found["bytes_listed"]  # for the model's hash, and for the map
    assert found["layer_seconds"] > 0


def test_a_newcomers_wait_is_measured() -> None:
    found = json.loads(run("benchmarks/end_to_end.py", "--print-only"))
    assert 0 < found["map_again_seconds"] < found["map_seconds"]
    assert found["describe_seconds"] > 0
    assert found["app_seconds"] > 0


def test_describing_keeps_a_server_busy() -> None:
    assert "64 heads in" in run("benchmarks/describe_speed.py", "--quick")


def test_the_experiments_are_faster_than_the_plain_way_and_find_the_same() -> None:
    found = json.loads(run("-m", "benchmarks.experiments_speed", "--quick"))
    for part, least in (("correlation", 5), ("causal", 2)):  # of 8 pairs of one relation
        assert found[part]["ratio"] > least
        assert found[part]["relations"]["country_to_capital"]["apart"] == 0


def test_the_offline_describer_sees_next_to_nothing_where_nothing_is() -> None:
    printed = run("-m", "benchmarks.offline_quality", "--rounds", "1")
    assert "\n| 29 | 2 of 9 | 22% |\n" in printed
    assert printed.count("Null, targets of ") == printed.count(": 0 of 270 lists get a false pattern (0.00%).") == 2


def test_the_agreement_of_500_annotators_is_quick_small_and_short(tmp_path: Path) -> None:
    agreement_scale.write_table(agreement_scale.DESIGNS[0], tmp_path / "judgments.csv")
    # In a process of its own: Linux counts the memory of whoever starts a process as the process's own.
    lines = (
        "import json, sys",
        "from benchmarks.agreement_scale import run_command",
        "print(json.dumps(run_command(sys.argv[1])[0]))",
    )
    found = json.loads(run("-c", "\n".join(lines), str(tmp_path / "judgments.csv")))
    assert found["cpu_seconds"] < agreement_scale.GOAL["seconds"]
    assert found["megabytes"] < agreement_scale.GOAL["megabytes"]
    assert found["longest_line"] < 2000


def test_the_benchmark_of_agreement_runs() -> None:
    [found] = json.loads(run("-m", "benchmarks.agreement_scale", "--quick"))["designs"]
    assert found["judgments"] == 300
