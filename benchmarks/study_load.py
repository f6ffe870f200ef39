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
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from annotation.journal.journal import Journal
from benchmarks.study_app import ROOT, AppConnection, AppProcess, page_functions
from benchmarks.study_receipts import Load, LoadResult, SubmitReceipt
from space.pages.organise import studies
from space.services import open_services

RESULTS = ROOT / "benchmarks" / "results" / "study_load.json"
STUDY_NAME = "load"
ANSWERS = (
    ("present_described", "accurate", "semantic"),
    ("present_missed", None, "language"),
    ("absent_none", None, None),
    ("absent_described", None, None),
)
RETRY_PAUSE = 0.1  # seconds before an unanswered request is sent again
FULL_LOAD = Load(32, 100, 180, 20, 16)
QUICK_LOAD = Load(4, 6, 10, 2, 2)


class Crowd:
    """The annotators at work, each in a thread, and what they were told."""

    def __init__(self, port: int, load: Load) -> None:
        known = page_functions(port)
        self._port, self._load = port, load
        self._open, self._sign_in = (known[name] for name in ("load_annotate_page", "sign_in"))
        self._threads = [
            threading.Thread(target=self._run_annotator, args=(n,), daemon=True) for n in range(load.people)
        ]
        self.receipts: list[SubmitReceipt] = []
        self.refusals: list[str] = []  # what the app said instead of a receipt
        self.retry_count = 0

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def is_working(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _run_annotator(self, number: int) -> None:
        try:
            with AppConnection(self._port) as line:
                self._annotate(line, f"Annotator {number}")
        except Exception as error:  # noqa: BLE001  a thread's error is told with the results
            self.refusals.append(f"Annotator {number} stopped: {error!r}")

    def _annotate(self, line: AppConnection, name: str) -> None:
        opened, _ = self._call_until_answered(partial(line.call, self._open, {}))
        asked = {"name": name, "maps-token": opened["maps-token"], "maps-desk": {"study": STUDY_NAME}}
        kept, _ = self._call_until_answered(partial(line.call, self._sign_in, asked))
        for number in range(self._load.each):
            presence, precision, category = ANSWERS[(number + len(name)) % len(ANSWERS)]
            comment = f"{name}, {number}"
            said = {"presence": presence, "precision": precision, "category": category, "comment": comment}
            judgment_id = kept["maps-desk"]["judgment_id"]
            # Some answers contradict the description: the form asks once, which is no matter here.
            browser = kept | {"maps-desk": kept["maps-desk"] | {"was_asked": True}}
            found, seconds = self._call_until_answered(partial(line.submit, browser, said))
            if judgment_id not in found.get("copies", {}).get("keep", {}):
                self.refusals.append(f"{comment}: {found['message']}")
                return
            again = "stored before" in found["message"]
            self.receipts.append(SubmitReceipt(judgment_id, comment, seconds, again))
            kept = {each: found[each] for each in ("maps-token", "maps-desk")}

    def _call_until_answered(self, call: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], float]:
        """Calls until there is an answer, always with the same data; the seconds of the last try."""
        while True:
            begun = time.perf_counter()
            try:
                return call(), time.perf_counter() - begun
            except ConnectionError:
                self.retry_count += 1
                time.sleep(RETRY_PAUSE)


def create_load_study(data: Path, load: Load) -> None:
    """Freezes the study from the prebuilt atlas, with swapped and shuffled controls in equal parts."""
    used = open_services({"MAPS_DATA": str(data)})
    try:
        described = studies.describer_choices(used)[0]
        swapped = load.controls // 2
        shuffled = load.controls - swapped
        wanted = studies.StudyRequest(
            STUDY_NAME,
            described,
            load.heads,
            "uniform",
            load.per_item,
            0,
            swapped,
            shuffled,
            False,
            load.each,
            None,
            "0",
        )
        studies.create_study(used, wanted)
    finally:
        used.journal.close()


def run_load(load: Load, kills: int = 0) -> LoadResult:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        create_load_study(data, load)
        app = AppProcess(data)
        app.start()
        try:
            crowd = Crowd(app.port, load)
            begun = time.perf_counter()
            crowd.start()
            killed = kill_while_working(app, crowd, load, kills)
            seconds = time.perf_counter() - begun
        finally:
            app.kill()
        with Journal(data / "journal.sqlite") as journal:
            rows = journal.all_judgments(STUDY_NAME)
    return LoadResult(crowd.receipts, rows, crowd.refusals, killed, crowd.retry_count, seconds)


def kill_while_working(app: AppProcess, crowd: Crowd, load: Load, kills: int) -> int:
    """Kills and restarts the app while the crowd works, until it is done; how often that was."""
    total, done = load.people * load.each, 0
    while crowd.is_working():
        if done < kills and len(crowd.receipts) >= total * (done + 1) // (kills + 1):
            app.kill()
            app.start()
            done += 1
        app.check_running()
        time.sleep(0.002)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small load with one kill; keep nothing")
    quick = parser.parse_args().quick
    load = QUICK_LOAD if quick else FULL_LOAD
    measured: dict[str, Any] = {"cores": os.cpu_count(), "load": asdict(load)}
    for name, kills in (("steady", 0), ("killed", 1 if quick else 20)):
        found = run_load(load, kills)
        if wrong := found.problems(load):
            raise SystemExit("\n".join(wrong))
        measured[name] = found.measurements()
        print(json.dumps({name: measured[name]}, indent=2), flush=True)
    if not quick:
        RESULTS.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
        print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
