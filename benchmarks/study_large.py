"""A study of 4,600 items with 1,000 to 100,000 judgments in the real app: `python -m benchmarks.study_large`.

The items are of invented heads, and the judgments of 100 annotators are written into the journal before the app starts.
Then 32 other annotators, in a process of their own, submit answers without a pause. Every receipt is compared with the
journal. The results are kept in `benchmarks/results/study_large.json`; `--quick` is a small one that keeps nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from annotation import form
from annotation.form import GUIDELINES_VERSION, Answers
from annotation.journal.journal import Journal
from annotation.journal.rows import insert_judgment
from annotation.study.sampling import freeze_study
from annotation.study.store import save_study
from annotation.study.study import Candidate, Study, StudySettings
from benchmarks.study_app import ROOT, AppConnection, AppProcess, PageFunction, page_functions
from maps.hashes import mapping_hash
from maps.types import HeadId, Mapping

RESULTS = ROOT / "benchmarks" / "results" / "study_large.json"
STUDY_NAME = "large"
WORDS = [f" word{number}" for number in range(20_000)]
ANSWERS = (
    Answers("absent_none", None, None, ""),
    Answers("absent_described", None, None, ""),
    Answers("present_missed", None, "language", ""),
    Answers("present_described", "accurate", "semantic", ""),
)
EARLIER_ANNOTATORS, PEOPLE, SUBMITS_EACH = 100, 32, 40


def invented_candidate(number: int, dice: random.Random) -> Candidate:
    """A head with thirty mappings of random words and a description."""
    rows = []
    for rank in range(1, 31):
        ids = tuple(dice.randrange(len(WORDS)) for _ in range(6))
        targets = tuple(WORDS[each] for each in ids[1:])
        rows.append(Mapping(rank, ids[0], WORDS[ids[0]], 1 / rank, ids[1:], targets, (5.0, 4.0, 3.0, 2.0, 1.0)))
    pattern = f"A word leads to other words, such as{WORDS[number % len(WORDS)]}."
    head = HeadId(number // 64, number % 64)
    return Candidate(head, tuple(rows), mapping_hash(rows), f"d-{number}", "Words.", pattern)


def create_large_study(data: Path, heads: int, per_item: int) -> Study:
    """Freezes the study of invented heads, with controls."""
    dice = random.Random(0)
    settings = StudySettings(
        name=STUDY_NAME, model="invented", revision=None, layers=heads // 64 + 1, describer="offline", heads=heads,
        sample="uniform", per_item=per_item, overlap=0, swapped=20, shuffled=20, practice=False, per_annotator=None,
        deadline=None, seed=0, guidelines_version=GUIDELINES_VERSION, created_at=datetime.now(UTC),
    )  # fmt: skip
    study = freeze_study(settings, [invented_candidate(number, dice) for number in range(heads)], mapping_hash)
    save_study(study, data / "studies")
    return study


def write_judgments(data: Path, study: Study, count: int) -> None:
    """Judgments of other annotators, each of a stretch of the study's items, as if they had been given before."""
    dice, start = random.Random(1), datetime.now(UTC) - timedelta(days=2)
    with Journal(data / "journal.sqlite") as journal:
        people = [f"a-{number:012x}" for number in range(EARLIER_ANNOTATORS)]
        for annotator in people:
            journal.record_consent(annotator, GUIDELINES_VERSION)
        with journal.transaction("The judgments were not written: {reason}."):
            for number in range(count):
                place, who = divmod(number, EARLIER_ANNOTATORS)
                item = study.order[(place + who * len(study.order) // EARLIER_ANNOTATORS) % len(study.order)]
                at = start + timedelta(seconds=place)
                judgment = form.build_judgment(
                    item,
                    dice.choice(ANSWERS),
                    judgment_id=uuid.UUID(int=dice.getrandbits(128)).hex,
                    annotator=people[who],
                    started_at=at,
                    submitted_at=at + timedelta(seconds=20),
                    supersedes=None,
                    app_version="benchmark",
                )
                insert_judgment(journal, judgment, at + timedelta(seconds=20))


@dataclass
class Crowd:
    """Annotators who begin to submit at the same moment, when all of them have signed in."""

    port: int
    functions: dict[str, PageFunction]
    ready: threading.Barrier
    waits: list[float] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)


def annotate(crowd: Crowd, submits: int) -> None:
    """One annotator who submits without a pause."""
    name = f"Annotator {uuid.uuid4()}"
    with AppConnection(crowd.port) as line:
        opened = line.call(crowd.functions["load_annotate_page"], {})
        asked = {"name": name, "maps-token": opened["maps-token"], "maps-desk": {"study": STUDY_NAME}}
        kept = line.call(crowd.functions["sign_in"], asked)
        crowd.ready.wait(60)
        for number in range(submits):
            answers = ANSWERS[number % len(ANSWERS)].codes_by_field()
            browser = kept | {"maps-desk": kept["maps-desk"] | {"was_asked": True}}
            start = time.perf_counter()
            kept = line.submit(browser, answers | {"comment": ""})
            crowd.waits.append(time.perf_counter() - start)
            crowd.receipts += kept.get("copies", {}).get("keep", {})


def run_crowd(port: int, people: int, submits: int) -> dict[str, Any]:
    """Submits of many annotators at once: in this process, which is not the app's."""
    crowd = Crowd(port, page_functions(port), threading.Barrier(people + 1))
    threads = [threading.Thread(target=annotate, args=(crowd, submits)) for _ in range(people)]
    for thread in threads:
        thread.start()
    crowd.ready.wait(60)
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    waits = sorted(crowd.waits)
    return {
        "submits_a_second": round(len(waits) / seconds, 1),
        "p50_ms": round(1000 * median(waits)),
        "p95_ms": round(1000 * waits[int(0.95 * len(waits))]),
        "receipts": crowd.receipts,
    }


def refused_requests_a_second(port: int, people: int, requests: int) -> float:
    """Requests that the submit route refuses at once, as nobody is signed in: the most that the machine serves."""

    def ask(_person: int) -> None:
        with AppConnection(port) as line:
            for _ in range(requests):
                line.submit({"maps-token": None, "maps-desk": None}, {})

    start = time.perf_counter()
    with ThreadPoolExecutor(people) as threads:
        list(threads.map(ask, range(people)))
    return round(people * requests / (time.perf_counter() - start), 1)


def seconds_of_page(port: int, name: str, inputs: dict[str, Any], query: str = "") -> float:
    known = page_functions(port)
    with AppConnection(port) as line:
        start = time.perf_counter()
        line.call(known[name], inputs, query)
        return round(time.perf_counter() - start, 2)


def resident_megabytes(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) // 1024


def measure(heads: int, per_item: int, judgments: int, people: int, submits: int) -> dict[str, Any]:
    """The app with so many judgments: its start, submits, pages and memory. RuntimeError for a lost answer."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        study = create_large_study(data, heads, per_item)
        write_judgments(data, study, judgments)
        app = AppProcess(data)
        app.start()
        try:
            first_claim = seconds_of_first_claim(app.port)
            key = re.findall(r"organise\?key=(\S+)", (data / "app.log").read_text(encoding="utf-8"))[-1]
            alone = run_crowd(app.port, 1, submits)
            command = [
                sys.executable,
                "-m",
                "benchmarks.study_large",
                "--crowd",
                str(app.port),
                str(people),
                str(submits),
            ]
            crowd = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
            memory = resident_megabytes(app.process_id)
            pages = {}
            organise, agreement = "opened_for_organisers", "load_sections"
            token, first_opening = open_as_organiser(app.port, key)
            for name, function in (("organiser_page_s", organise), ("agreement_page_s", agreement)):
                first = seconds_of_page(app.port, function, {"maps-organiser": token}, f"study={STUDY_NAME}")
                run_crowd(app.port, 1, 1)  # a new answer
                again = seconds_of_page(app.port, function, {"maps-organiser": token}, f"study={STUDY_NAME}")
                pages[name] = {"first": first, "after_a_new_answer": again}
            wait_until_idle(app.process_id)  # newer figures are computed beside the pages
            memory_after = resident_megabytes(app.process_id)
        finally:
            app.kill()
        with Journal(data / "journal.sqlite") as journal:
            stored = {row.judgment_id for row in journal.all_judgments(STUDY_NAME)}
    receipts = [*alone.pop("receipts"), *crowd.pop("receipts")]
    if len(receipts) != len(set(receipts)) or not stored.issuperset(receipts):
        raise RuntimeError("An acknowledged answer is missing or was acknowledged twice.")
    return {
        "judgments": judgments,
        "first_claim_s": first_claim,
        "alone": alone,
        "crowd": crowd,
        "first_opening_s": first_opening,
        **pages,
        "memory_mb": memory,
        "memory_after_pages_mb": memory_after,
    }


def seconds_of_first_claim(port: int) -> float:
    known = page_functions(port)
    with AppConnection(port) as line:
        opened = line.call(known["load_annotate_page"], {})
        asked = {"name": "First", "maps-token": opened["maps-token"], "maps-desk": {"study": STUDY_NAME}}
        start = time.perf_counter()
        line.call(known["sign_in"], asked)
        return round(time.perf_counter() - start, 2)


def open_as_organiser(port: int, key: str) -> tuple[str, dict[str, float]]:
    """The organiser's session, and the seconds until the page of the study is shown and until its answers are counted,
    for the first time since the app was started."""
    known = page_functions(port)
    with AppConnection(port) as line:
        start = time.perf_counter()
        found = line.call(known["opened_for_organisers"], {}, f"key={key}&study={STUDY_NAME}")
        shown = time.perf_counter()
        token: str = found["maps-organiser"]
        line.call(known["show_counted"], {"maps-organiser": token, "selection": found["selection"]})
        counted = time.perf_counter()
    return token, {"shown": round(shown - start, 2), "counted": round(counted - start, 2)}


def wait_until_idle(process_id: int, seconds: float = 2.0) -> None:
    """Waits until the app has computed next to nothing for so many seconds."""
    process, before = psutil.Process(process_id), -1.0
    while (used := sum(process.cpu_times()[:2])) - before > 0.1 * seconds:
        before = used
        time.sleep(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small study; keep nothing")
    parser.add_argument("--crowd", nargs=3, type=int, metavar=("PORT", "PEOPLE", "SUBMITS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crowd:
        port, people, submits = options.crowd
        refused = refused_requests_a_second(port, people, submits)
        print(json.dumps(run_crowd(port, people, submits) | {"refused_requests_a_second": refused}))
        return
    if options.quick:
        print(json.dumps(measure(60, 30, 100, 3, 5), indent=2))
        return
    measured: dict[str, Any] = {"cores": os.cpu_count(), "items": 4600, "people": PEOPLE, "runs": []}
    for judgments in (1_000, 10_000, 100_000):
        measured["runs"].append(measure(4560, 40, judgments, PEOPLE, SUBMITS_EACH))
        print(json.dumps(measured["runs"][-1], indent=2), flush=True)
    RESULTS.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
