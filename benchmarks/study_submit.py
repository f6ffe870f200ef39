"""What a submit costs the app itself, and what Gradio and HTTP add: the same study, one annotator's answer at a time.

`.venv/bin/python -m benchmarks.study_submit` makes the study of `benchmarks.study_load` (200 items with 16 judgments
each), lets 32 annotators fill it in a seeded order by calling the handler in this process, and prints the milliseconds
of a submit by how full the study was. Then it does the same over HTTP, one request at a time: what is longer is
Gradio's, the connection's and the client's. `--quick` is a small one.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median
from types import SimpleNamespace
from typing import Any

from benchmarks.study_app import App, Line, functions
from benchmarks.study_load import ANSWERS, FULL, QUICK, STUDY, created
from benchmarks.study_receipts import Load
from space.pages.annotate.handlers import signing_in, submitting
from space.pages.annotate.view import Form
from space.services import services

PARTS = 8
FIELDS = ("presence", "precision", "category", "comment")
STORED = ("maps-token", "maps-desk")  # what the browser keeps between two submits
NOBODY = SimpleNamespace(request=None)  # off a Space nothing is read of a request

Enter = Callable[[str], dict[str, Any]]  # a name → what the browser keeps
Submit = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]  # what it kept, the answers → what it keeps


@contextmanager
def in_process(data: Path) -> Iterator[tuple[Enter, Submit]]:
    """The handlers themselves."""
    used = services({"MAPS_DATA": str(data), "MAPS_PSEUDONYM_KEY": "of the load"})
    enter, submit = signing_in(used), submitting(used)

    def kept(found: tuple[Any, ...]) -> dict[str, Any]:
        named = dict(zip(Form._fields, found, strict=True))
        return {"token": named["token"], "desk": named["desk"], "message": named["message"]}

    try:
        yield (
            lambda name: kept(enter(name, {"study": STUDY}, NOBODY)),
            lambda at, said: kept(submit(at["token"], at["desk"], *(said[each] for each in FIELDS), NOBODY)),
        )
    finally:
        used.journal.close()


@contextmanager
def over_http(data: Path) -> Iterator[tuple[Enter, Submit]]:
    """The running app."""
    app = App(data)
    app.start()
    try:
        known = functions(app.port)
        with Line(app.port) as line:
            yield (
                lambda name: line.call(known["signed_in"], {"name": name}),
                lambda at, said: line.call(known["submitted"], {key: at[key] for key in STORED} | said),
            )
    finally:
        app.kill()


def filled(load: Load, enter: Enter, submit: Submit) -> list[float]:
    """Seconds of each submit until every place is taken; RuntimeError where an answer was not stored."""
    dice = random.Random(0)
    times: list[float] = []
    desks = {number: enter(f"Annotator {number}") for number in range(load.people)}
    left = dict.fromkeys(desks, load.each)
    while left:
        number = dice.choice(sorted(left))
        said = dict(zip(FIELDS, (*ANSWERS[len(times) % len(ANSWERS)], ""), strict=True))
        begun = time.perf_counter()
        desks[number] = submit(desks[number], said)
        times.append(time.perf_counter() - begun)
        if "Stored at" not in desks[number]["message"]:
            raise RuntimeError(f"Not stored: {desks[number]['message']}")
        left[number] -= 1
        if not left[number]:
            del left[number]
    return times


def lines(name: str, times: list[float]) -> Iterator[str]:
    """Median and mean by how full the study was."""
    size = -(-len(times) // PARTS)
    for start in range(0, len(times), size):
        part = [seconds * 1000 for seconds in times[start : start + size]]
        yield f"{name}, submits {start + 1:,} to {start + len(part):,}: {median(part):.1f} ms, mean {mean(part):.1f} ms"


def main() -> None:
    """Fills the study both ways and prints what a submit took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small study")
    load = QUICK if parser.parse_args().quick else FULL
    for name, way in (("in process", in_process), ("over HTTP", over_http)):
        with tempfile.TemporaryDirectory() as folder:
            created(Path(folder), load)
            with way(Path(folder)) as (enter, submit):
                print(*lines(name, filled(load, enter, submit)), sep="\n", flush=True)


if __name__ == "__main__":
    main()
