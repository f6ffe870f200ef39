"""How much of a server's time describing loses: 1,000 heads, 32 at once, against a server that takes 500 ms for each.

Run from the project's root on a quiet machine: `.venv/bin/python benchmarks/describe_speed.py`. The server is a process
of its own on loopback. Kept in benchmarks/results/describe_speed.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
if __name__ == "__main__":  # a script's own folder is on the path, the project's root is not
    sys.path.insert(0, str(ROOT))

SEED_ATLAS = ROOT / "space" / "seed" / "smollm2"
RESULTS = ROOT / "benchmarks" / "results" / "describe_speed.json"
HEADS, CONCURRENCY, DELAY = 1_000, 32, 0.5  # seconds
HEADS_PER_LAYER = 8

DESCRIPTION = {"Reasoning": "Seen in most lines.", "Input strings": "Words.", "Observed pattern": "The first letter."}
COMPLETION = {
    "model": "slow-model",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": json.dumps(DESCRIPTION)}}
    ],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 60, "total_tokens": 1060},
}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def slow(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(DELAY)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(COMPLETION).encode()})


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serve_slow_model() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    app = [
        "uvicorn",
        "benchmarks.describe_speed:slow",
        "--port",
        str(port),
        "--log-level",
        "error",
        "--lifespan",
        "off",
    ]
    process = subprocess.Popen([sys.executable, "-m", *app], cwd=ROOT)
    try:
        while not is_listening(port):
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def write_repeated_atlas(heads: int, folder: Path) -> Path:
    """An atlas of that many heads, whose mappings are those of the bundled model's, over and over."""
    from maps.atlas.reader import Atlas, write_table
    from maps.atlas.schema import LAYER_TABLES, make_table
    from maps.files.atomic import write_json

    seed = Atlas.open(SEED_ATLAS)
    folder.mkdir()
    shutil.copy(SEED_ATLAS / "pairs.parquet", folder)
    for name in LAYER_TABLES:
        by_head: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for row in seed.table(name).to_pylist():
            by_head.setdefault((row["layer"], row["head"]), []).append(row)
        rows = [
            {**row, "layer": n // HEADS_PER_LAYER, "head": n % HEADS_PER_LAYER}
            for n in range(heads)
            for row in by_head.get(seed.head_ids[n % len(seed.head_ids)], ())
        ]
        write_table(folder, name, make_table(name, rows))
    write_json(folder / "atlas.json", {**seed.info, "layers": heads // HEADS_PER_LAYER, "heads": HEADS_PER_LAYER})
    return folder


def measure(heads: int) -> dict[str, float]:
    from maps.describers.describe_atlas import describe_atlas
    from maps.describers.openai_compatible import OpenAICompatibleDescriber
    from maps.llm.client import Chat

    with tempfile.TemporaryDirectory() as place, serve_slow_model() as url:
        folder = write_repeated_atlas(heads, Path(place) / "atlas")
        describer = OpenAICompatibleDescriber(Chat("slow-model", url, concurrency=CONCURRENCY))
        started, worked = time.perf_counter(), time.process_time()
        run = describe_atlas(folder, describer, CONCURRENCY)
        seconds, work = time.perf_counter() - started, time.process_time() - worked
    if run.asked != heads:
        raise SystemExit(f"{run.failed} heads failed.")
    ideal = heads * DELAY / CONCURRENCY
    return {
        "heads": heads,
        "concurrency": CONCURRENCY,
        "delay": DELAY,
        "seconds": seconds,
        "ideal": ideal,
        "share": ideal / seconds,
        "cpu_ms": 1000 * work / heads,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="try it with 64 heads and keep nothing")
    quick = parser.parse_args().quick
    found = measure(64 if quick else HEADS)
    if not quick:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{found['heads']:,} heads in {found['seconds']:.1f} s, {found['share']:.0%} of the ideal throughput;")
    print(f"{found['cpu_ms']:.1f} ms of processor time a question")


if __name__ == "__main__":
    main()
