"""How fast mapping is against the plain method, and what larger models take. Every ratio is measured inside one run.

`.venv/bin/python benchmarks/map_speed.py` runs every part (half an hour on two cores, on a quiet machine) and keeps
what each measured in `benchmarks/results/map_speed.json`; names of parts run those alone, `--table` prints the table
of what is kept, which is in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "map_speed.json"
Measurement = dict[str, Any]


def run_child(*command: str) -> tuple[str, float, float]:
    """Runs a command: what it printed, its seconds, and its peak memory in GB as the operating system counted it."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed.")
    return printed, time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e9


def measure_kernels(quick: bool = False) -> Measurement:
    # In a process of its own, since a child's peak memory is never counted below its parent's at that time.
    return json.loads(run_child("-m", "benchmarks.kernels", *(["--quick"] if quick else []))[0])


def measure_map_command(*options: str) -> Measurement:
    with tempfile.TemporaryDirectory() as folder:
        _, seconds, memory = run_child("-m", "maps", "map", "smollm2", "--out", f"{folder}/atlas", *options)
    return {"seconds": seconds, "gigabytes": memory}


def measure_larger_model(name: str) -> Measurement:
    printed, _, memory = run_child("benchmarks/shapes.py", name)
    return {**json.loads(printed), "gigabytes": memory}


PARTS: dict[str, Callable[[], Measurement]] = {
    "kernels": measure_kernels,
    "command": measure_map_command,
    "command-output-space": lambda: measure_map_command("--output-space"),
    "gpt2-xl": lambda: measure_larger_model("gpt2-xl"),
    "llama-70b": lambda: measure_larger_model("llama-70b"),
}


def speed_table(measurements: dict[str, Measurement]) -> str:
    rows = [*kernel_rows(measurements["kernels"])] if "kernels" in measurements else []
    for name, label in (
        ("command", "`maps map smollm2`, start to end"),
        ("command-output-space", "the same with `--output-space`"),
    ):
        if name in measurements:
            rows.append(
                (
                    label,
                    f"{measurements[name]['seconds']:.0f} s",
                    f"{measurements[name]['gigabytes']:.1f} GB at most",
                    "",
                )
            )
    for name, label in (("gpt2-xl", "GPT-2 xl's shape"), ("llama-70b", "Llama-3.1 70B's shape")):
        if name in measurements:
            rows.append(shape_row(label, measurements[name]))
    lines = ["| work | time | measured against | arithmetic |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def kernel_rows(kernel: Measurement) -> list[tuple[str, str, str, str]]:
    rows = []
    for name, label in (
        ("relations", "twenty relations + suppression, all 270 heads"),
        ("mappings", "saliency, skewness and 30 × 5 mappings, all 270 heads"),
    ):
        k = kernel[name]
        rows.append((label, f"{k['seconds']:.1f} s", f"{k['ratio']:.1f} × the plain method", arithmetic_cell(k)))
    k = kernel["output_space"]
    ratios = f"{k['ratio']:.1f} × the plain method, {k['ratio_low_rank']:.1f} × the plain low-rank one"
    return [*rows, ("output space size, a head", f"{k['seconds']:.2f} s", ratios, arithmetic_cell(k))]


def shape_row(label: str, part: Measurement) -> tuple[str, str, str, str]:
    share = part["bytes_read"] / part["bytes_listed"]
    read = f", {share:.1%} of the listed bytes read" if share < 0.5 else ""
    seconds = f"{part['fixed_seconds']:.0f} s + {part['layers']} × {part['layer_seconds']:.0f} s"
    return (
        f"{label}, whole",
        f"{part['whole_seconds'] / 60:.0f} min",
        f"{part['gigabytes']:.1f} GB at most{read}",
        seconds,
    )


def arithmetic_cell(kernel: Measurement) -> str:
    """Operations done and the share of the machine's own rate of matrix multiplication."""
    return f"{kernel['operations'] / 1e12:.2f} × 10¹² operations, {kernel['share']:.0%} of the machine's rate"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="try the kernels on the first layer and keep nothing")
    parser.add_argument("--table", action="store_true", help="print the table of what is kept and measure nothing")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    if arguments.quick:
        print(json.dumps(measure_kernels(quick=True), indent=2))
        return
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in [] if arguments.table else arguments.parts or PARTS:
        print(f"{name} …", file=sys.stderr)
        found[name] = PARTS[name]()
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
        print(json.dumps(found[name], indent=2), file=sys.stderr)
    missing = [name for name in PARTS if name not in found]
    if missing:
        print(f"not measured yet: {', '.join(missing)}", file=sys.stderr)
    print(speed_table(found), end="")


if __name__ == "__main__":
    main()
