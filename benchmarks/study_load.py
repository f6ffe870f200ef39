"""Many annotators at once in the real app, over HTTP, and the app killed while they work.

`.venv/bin/python -m benchmarks.study_load` makes a study of 200 items with 16 judgments each and lets 32 annotators
submit 100 answers each as fast as the app takes them; then the same again with 20 rounds of `kill -9` and restart on
the same data, each annotator sending an unanswered judgment again under its id. It checks every row against every
receipt and keeps what it measured in `benchmarks/results/study_load.json`; `--quick` is a small one that keeps nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from annotation.journal import Journal
from annotation.types import Judgment
from benchmarks.study_app import ROOT, App, Function, Line, functions
from space import organising
from space.services import services

RESULTS = ROOT / "benchmarks" / "results" / "study_load.json"
STUDY = "load"
ANSWERS = (
    ("present_described", "accurate", "semantic"),
    ("present_missed", None, "language"),
    ("absent_none", None, None),
    ("absent_described", None, None),
)
PAUSE = 0.1  # seconds before an unanswered request is sent again


@dataclass(frozen=True)
class Load:
    """So many annotators, each submitting so often; heads and controls that each want `per_item` judgments.

    All places are taken at the end: people × each = (heads + controls) × per_item.
    """

    people: int
    each: int
    heads: int
    controls: int
    per_item: int

    def __post_init__(self) -> None:
        """Checks that it comes out even."""
        if self.people * self.each != self.items * self.per_item:
            raise ValueError("the annotators' answers must be as many as the places")

    @property
    def items(self) -> int:
        """How many items the study has."""
        return self.heads + self.controls


FULL = Load(32, 100, 180, 20, 16)
QUICK = Load(4, 6, 10, 2, 2)


@dataclass(frozen=True)
class Acknowledged:
    """A receipt as the annotator's browser has it: what was sent, how long the answer took (seconds), `again` if the
    journal had it already from a try whose answer was lost."""

    judgment_id: str
    comment: str
    seconds: float
    again: bool


class Crowd:
    """The annotators at work, each in a thread, and what they were told."""

    def __init__(self, port: int, load: Load) -> None:
        known = functions(port)
        self._port, self._load = port, load
        self._enter, self._submit = known["signed_in"], known["submitted"]
        self._threads = [threading.Thread(target=self._guarded, args=(n,), daemon=True) for n in range(load.people)]
        self.receipts: list[Acknowledged] = []
        self.refused: list[str] = []  # what the app said instead of a receipt
        self.retried = 0

    def start(self) -> None:
        """Lets everybody begin."""
        for thread in self._threads:
            thread.start()

    def working(self) -> bool:
        """Whether somebody is still at it."""
        return any(thread.is_alive() for thread in self._threads)

    def _guarded(self, number: int) -> None:
        try:
            with Line(self._port) as line:
                self._work(line, f"Annotator {number}")
        except Exception as error:  # noqa: BLE001  a thread's error is told with the results
            self.refused.append(f"Annotator {number} stopped: {error!r}")

    def _work(self, line: Line, name: str) -> None:
        kept, _ = self._answered(line, self._enter, {"name": name})
        for number in range(self._load.each):
            presence, precision, category = ANSWERS[(number + len(name)) % len(ANSWERS)]
            comment = f"{name}, {number}"
            said = {"presence": presence, "precision": precision, "category": category, "comment": comment}
            judgment_id = kept["maps-desk"]["judgment_id"]
            found, seconds = self._answered(line, self._submit, kept | said)
            if judgment_id not in found["copies"].get("keep", {}):
                self.refused.append(f"{comment}: {found['message']}")
                return
            again = "stored once" in found["message"]
            self.receipts.append(Acknowledged(judgment_id, comment, seconds, again))
            kept = {name: found[name] for name in ("maps-token", "maps-desk")}

    def _answered(self, line: Line, function: Function, own: dict[str, Any]) -> tuple[dict[str, Any], float]:
        """Calls until there is an answer, always with the same data; the seconds of the last try."""
        while True:
            begun = time.perf_counter()
            try:
                return line.call(function, own), time.perf_counter() - begun
            except ConnectionError:
                self.retried += 1
                time.sleep(PAUSE)


@dataclass(frozen=True)
class Found:
    """What a run came to: its receipts, the rows in the journal afterwards, and its numbers."""

    receipts: Sequence[Acknowledged]
    rows: Sequence[Judgment]
    refused: Sequence[str]
    kills: int
    retried: int
    seconds: float

    def wrong(self, load: Load) -> list[str]:
        """Everything that is not as promised, one sentence each; empty where all is."""
        said = [*self.refused]
        rows = Counter(row.judgment_id for row in self.rows)
        comments = {row.judgment_id: row.comment for row in self.rows}
        told = Counter(receipt.judgment_id for receipt in self.receipts)
        said += [f"{each} was acknowledged and is there {rows[each]} times." for each in told if rows[each] != 1]
        said += [f"{each} is there and nobody was told." for each in rows if each not in told]
        said += [f"{each} was acknowledged {count} times." for each, count in told.items() if count != 1]
        said += [
            f"{receipt.judgment_id} holds something else than what was sent."
            for receipt in self.receipts
            if comments.get(receipt.judgment_id, receipt.comment) != receipt.comment
        ]
        twice = Counter((row.annotator, row.layer, row.head) for row in self.rows)
        said += [f"{each} was judged {count} times by one person." for each, count in twice.items() if count != 1]
        items = Counter(row.item.key for row in self.rows)
        said += [f"{key} has {count} judgments." for key, count in items.items() if count != load.per_item]
        missing = load.items - len(items)
        return said + ([f"{missing} items have no judgment."] if missing else [])

    def numbers(self) -> dict[str, float]:
        """Counts and times; times of an answer are of the try that was answered, in milliseconds."""
        times = sorted(receipt.seconds * 1000 for receipt in self.receipts)
        return {
            "submits": len(times),
            "kills": self.kills,
            "sent_again": self.retried,
            "stored_before_the_answer_was_lost": sum(receipt.again for receipt in self.receipts),
            "seconds": round(self.seconds, 1),
            "submits_a_second": round(len(times) / self.seconds, 1),
            "p50_ms": round(times[len(times) // 2]),
            "p95_ms": round(times[int(len(times) * 0.95)]),
            "longest_ms": round(times[-1]),
        }


def created(data: Path, load: Load) -> None:
    """Freezes the study from the prebuilt atlas, with swapped and shuffled controls in equal parts."""
    used = services({"MAPS_DATA": str(data)})
    try:
        described = organising.described(used)[0]
        swapped = load.controls // 2
        shuffled = load.controls - swapped
        wanted = organising.Wanted(
            STUDY, described, load.heads, "uniform", load.per_item, 0, swapped, shuffled, False, load.each, None, 0
        )
        organising.create(used, wanted)
    finally:
        used.journal.close()


def run(load: Load, kills: int = 0) -> Found:
    """The whole load on a new data folder, the app killed so many times, evenly over the work."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        created(data, load)
        app = App(data)
        app.start()
        try:
            crowd = Crowd(app.port, load)
            begun = time.perf_counter()
            crowd.start()
            killed = interrupted(app, crowd, load, kills)
            seconds = time.perf_counter() - begun
        finally:
            app.kill()
        with Journal(data / "journal.sqlite") as journal:
            rows = journal.rows(STUDY)
    return Found(crowd.receipts, rows, crowd.refused, killed, crowd.retried, seconds)


def interrupted(app: App, crowd: Crowd, load: Load, kills: int) -> int:
    """Kills and restarts the app while the crowd works, until it is done; how often that was."""
    total, done = load.people * load.each, 0
    while crowd.working():
        if done < kills and len(crowd.receipts) >= total * (done + 1) // (kills + 1):
            app.kill()
            app.start()
            done += 1
        app.check()
        time.sleep(0.002)
    return done


def main() -> None:
    """Runs both loads and keeps what they measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small load with one kill; keep nothing")
    quick = parser.parse_args().quick
    load = QUICK if quick else FULL
    measured: dict[str, Any] = {"cores": os.cpu_count(), "load": asdict(load)}
    for name, kills in (("steady", 0), ("killed", 1 if quick else 20)):
        found = run(load, kills)
        if wrong := found.wrong(load):
            raise SystemExit("\n".join(wrong))
        measured[name] = found.numbers()
        print(json.dumps({name: measured[name]}, indent=2), flush=True)
    if not quick:
        RESULTS.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
