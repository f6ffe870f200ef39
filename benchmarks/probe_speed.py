"""How fast all heads of the bundled model answer a question: the first, which loads the weights, and then others.

Run from the project's root on a quiet machine: `.venv/bin/python -m benchmarks.probe_speed`. Every question goes
through the app's child process (space/live/process.py), as a visitor's does. The result is kept in
benchmarks/results/probe_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import psutil

from maps.data import predefined_relations
from maps.weights.bundled import BUNDLED_MODEL
from space.live.process import LiveModel
from space.live.worker import LiveQuestion

RESULTS = Path(__file__).parent / "results" / "probe_speed.json"
QUESTIONS_PER_KIND = 40  # questions of each kind
WORDS = ("France", "he", "water", "king", "three", "Monday", "music", "red", "running", "doctor")
OWN_PAIRS = 200  # of own relations


def questions_by_kind(times: int) -> dict[str, list[LiveQuestion]]:
    words = [WORDS[i % len(WORDS)] for i in range(times)]
    others = [WORDS[(i + 1 + i // len(WORDS)) % len(WORDS)] for i in range(times)]
    every = [pair for relation in predefined_relations() for pair in relation.pairs]
    own: list[LiveQuestion] = [
        tuple(every[i * OWN_PAIRS : (i + 1) * OWN_PAIRS]) for i in range(min(times, len(every) // OWN_PAIRS))
    ]
    return {
        "pair": [(source, target) for source, target in zip(words, others, strict=True)],
        "token": [(word, None) for word in words],
        f"{OWN_PAIRS} own pairs": own,
    }


def answer_seconds(live: LiveModel, question: LiveQuestion) -> float:
    begin = time.perf_counter()
    live.ask(question)
    return time.perf_counter() - begin


def measure(times: int) -> dict[str, object]:
    live = LiveModel(BUNDLED_MODEL)
    try:
        load = os.getloadavg()[0]
        first = answer_seconds(live, ("France", "Paris"))
        kinds = {
            kind: [answer_seconds(live, each) for each in asked] for kind, asked in questions_by_kind(times).items()
        }
        return {
            "first_seconds": round(first, 1),
            "seconds": {kind: summary(each) for kind, each in kinds.items()},
            "child_mb": round(psutil.Process(live.pid).memory_info().rss / 2**20),
            "load_before": round(load, 1),
        }
    finally:
        live.close()


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, 95th percentile and the most."""
    p95 = statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
    found = {"p50": statistics.median(seconds), "p95": p95, "most": max(seconds)}
    return {name: round(value, 2) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="each question once; keeps nothing")
    quick = parser.parse_args().quick
    found = measure(1 if quick else QUESTIONS_PER_KIND)
    print(json.dumps(found, indent=2))
    if not quick:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
