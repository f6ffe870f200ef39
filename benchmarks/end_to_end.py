"""How long a newcomer waits: mapping the bundled model, describing its heads, the app's start. Seconds and memory.

Run from the project's root on a quiet machine: `.venv/bin/python -m benchmarks.end_to_end`. The figures are kept in
`benchmarks/results/end_to_end.json`; docs/performance.md shows them.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "end_to_end.json"
MAX_WAIT = 60.0  # seconds that the app may take to answer


def command_seconds(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def app_start_seconds(data: Path) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["env", f"PORT={port}", f"MAPS_DATA={data}", sys.executable, "app.py"]
    start = time.perf_counter()
    app = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while time.perf_counter() - start < MAX_WAIT:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return time.perf_counter() - start
    finally:
        app.terminate()
        app.wait()
    raise SystemExit(f"The app did not answer within {MAX_WAIT:.0f} seconds.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print-only", action="store_true", help="keep nothing")
    prints_only = parser.parse_args().print_only
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        atlas = str(data / "atlases" / "smollm2")
        mapping = ("-m", "maps", "map", "smollm2", "--out", atlas)
        first = command_seconds(*mapping)
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
        again = command_seconds(*mapping)
        described = command_seconds("-m", "maps", "describe", atlas, "--describer", "offline")
        answers = app_start_seconds(data)
    measured = {
        "map_seconds": first,
        "map_gigabytes": memory,
        "map_again_seconds": again,
        "describe_seconds": described,
        "app_seconds": answers,
    }
    if not prints_only:
        RESULTS.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
