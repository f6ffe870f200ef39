"""What `annotation agreement` takes for 200,000 judgments of 500 annotators, and how it grows.

Run from the project's root on a quiet machine: `.venv/bin/python -m benchmarks.agreement_scale`. Each table is
invented: an annotator gives the item's answer in 70 of 100 cases, else any of the four, so Cohen's kappa of two
annotators is 0.49 (0.775 right, 0.075 for each wrong answer: 0.775² + 3 · 0.075² agree, 0.25 do by chance). In the
table `any answer` all answers are chance, and the kappa is 0. The whole command is timed, with its start, and its
memory is the most it had. Two comparisons: the same command on the least table (start and imports only), and one pair
at a time: the kappa of each pair with its interval, timed for some pairs and taken times all pairs. Kept in
benchmarks/results/agreement_scale.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from annotation.export.files import read_judgments_table
from annotation.form import PRESENCE, QUESTIONS, applicable_fields
from annotation.statistics.judgments_table import select_counted_judgments
from annotation.statistics.pairs import estimate_pair, tabulate_pairs
from annotation.statistics.ratings import collect_ratings

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "agreement_scale.json"
LAYERS = 30
OPTIONS = ("--layers", f"invented={LAYERS}")
TIMED_PAIRS = 300
GOAL = {"seconds": 20, "megabytes": 500}


@dataclass(frozen=True)
class Design:
    """A table: how many annotate, how many items there are, how many judge each item, and how often they are right."""

    name: str
    annotators: int
    items: int
    per_item: int
    right: float = 0.7


DESIGNS = (
    Design("five judge each item", 500, 40_000, 5),
    Design("everybody judges every item", 500, 400, 500),
    Design("any answer", 500, 400, 500, right=0.0),
    Design("half the judgments", 500, 20_000, 5),
    Design("half the annotators", 250, 40_000, 5),
    Design("twice the annotators", 1000, 40_000, 5),
)
LEAST = Design("least", 2, 1, 2)
QUICK = (Design("quick", 30, 60, 5),)


def write_table(design: Design, path: Path) -> None:
    """Writes the table as CSV, the same one every time."""
    chance = random.Random(0)
    names = [f"a{number:04}" for number in range(design.annotators)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "layer", "head", "annotator", *(question.field for question in QUESTIONS)])
        for item in range(design.items):
            truth = {question.field: chance.choice(question.codes) for question in QUESTIONS}
            for name in chance.sample(names, design.per_item):
                answers = {
                    question.field: truth[question.field]
                    if chance.random() < design.right
                    else chance.choice(question.codes)
                    for question in QUESTIONS
                }
                asked = applicable_fields(answers)
                cells = [answers[question.field] if question.field in asked else "" for question in QUESTIONS]
                writer.writerow(["invented", item % LAYERS, item // LAYERS, name, *cells])


def run_command(path: Path, *options: str) -> tuple[dict[str, float], str]:
    """Seconds, processor seconds and the most memory of one run of the command, how much it prints; and what."""
    command = [sys.executable, "-m", "annotation", "agreement", str(path), *OPTIONS, *options]
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begin
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}.")
        output.seek(0)
        printed = output.read().decode()
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "megabytes": round(usage.ru_maxrss / 1024),
        "printed_kilobytes": round(len(printed.encode()) / 1000),
        "longest_line": max(map(len, printed.split("\n"))),
    }, printed


def pair_by_pair_seconds(path: Path, most_pairs: int) -> float:
    """Processor seconds for the kappa with its interval of every pair and question, from the time for some pairs."""
    rows, total = select_counted_judgments(read_judgments_table(path)).rows, 0.0
    for question in QUESTIONS:
        ratings = collect_ratings(rows, question)
        pairs = tabulate_pairs(ratings)
        number = len(pairs.first)
        places = random.Random(0).sample(range(number), min(most_pairs, number))
        begin = time.process_time()
        for place in places:
            estimate_pair(ratings, pairs, place, 0)
        total += (time.process_time() - begin) * number / max(len(places), 1)
    return round(total, 1)


def measure(design: Design, path: Path) -> dict[str, object]:
    """The command in words and as JSON on one table."""
    found, _ = run_command(path)
    as_json, printed = run_command(path, "--json")
    summary = json.loads(printed)["questions"][PRESENCE.field]["cohen_kappa"]
    kappas = {name: round(summary[name], 3) for name in ("median", "lowest", "highest")}
    size = {"judgments": design.items * design.per_item}
    return {**asdict(design), **size, **found, "json": as_json, "presence_kappas": kappas}


def measure_all(designs: Sequence[Design], folder: Path) -> list[dict[str, object]]:
    """All tables. The commands come first: a child's memory counts from that of its parent, which is small then."""
    paths = [folder / f"{number}.csv" for number in range(len(designs))]
    for design, path in zip(designs, paths, strict=True):
        write_table(design, path)
    found = [measure(design, path) for design, path in zip(designs, paths, strict=True)]
    return [
        each | {"pair_by_pair_seconds": pair_by_pair_seconds(path, TIMED_PAIRS)}
        for each, path in zip(found, paths, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small table; keeps nothing")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(LEAST, folder / "least.csv")
        found = {
            "goal": GOAL,
            "least": run_command(folder / "least.csv")[0],
            "designs": measure_all(QUICK if quick else DESIGNS, folder),
        }
    print(json.dumps(found, indent=2))
    if not quick:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
