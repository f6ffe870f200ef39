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

import gradio as gr
from starlette.requests import Request

from benchmarks.study_app import AppConnection, AppProcess, page_functions
from benchmarks.study_load import ANSWERS, FULL_LOAD, QUICK_LOAD, STUDY_NAME, create_load_study
from benchmarks.study_receipts import Load
from space.pages.annotate.handlers import for_annotator, for_visitor, sign_in, submit
from space.pages.annotate.view import AnnotatePage
from space.services import open_services
from space.web.sessions import visitor_token

PART_COUNT = 8
ANSWER_FIELDS = ("presence", "precision", "category", "comment")
REQUEST = SimpleNamespace(request=Request({"type": "http", "headers": [], "path": "/", "server": ("127.0.0.1", 7860)}))

SignIn = Callable[[str], dict[str, Any]]  # a name → what the browser keeps
Submit = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]  # what it kept, the answers → what it keeps


@contextmanager
def handlers_in_process(data: Path) -> Iterator[tuple[SignIn, Submit]]:
    services = open_services({"MAPS_DATA": str(data), "MAPS_PSEUDONYM_KEY": "of the load, as long as keys must be"})
    with gr.Blocks():
        page = AnnotatePage(services)
    sign_in_handler, submit_handler = for_visitor(page, sign_in), for_annotator(page, submit)

    def browser_values(updates: dict[Any, Any]) -> dict[str, Any]:
        return {"token": updates[page.token], "task": updates[page.task], "message": updates[page.message]}

    def enter(name: str) -> dict[str, Any]:
        inputs = {page.name: name, page.task: {"study": STUDY_NAME}, page.token: visitor_token(services)}
        return browser_values(sign_in_handler(inputs, REQUEST))

    def answer(before: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
        chosen = {question: answers[field] for field, question in page.questions.items()}
        task = before["task"] | {"was_asked": True}  # some answers contradict the description
        state = {page.token: before["token"], page.task: task, page.comment: answers["comment"]}
        return browser_values(submit_handler(state | chosen, REQUEST))

    try:
        yield enter, answer
    finally:
        services.journal.close()


@contextmanager
def handlers_over_http(data: Path) -> Iterator[tuple[SignIn, Submit]]:
    app = AppProcess(data)
    app.start()
    try:
        known = page_functions(app.port)
        with AppConnection(app.port) as line:
            opened = known["load_annotate_page"]
            desk = {"maps-desk": {"study": STUDY_NAME}}
            yield (
                lambda name: line.call(known["sign_in"], line.call(opened, {}) | desk | {"name": name}),
                lambda at, said: line.submit(at | {"maps-desk": at["maps-desk"] | {"was_asked": True}}, said),
            )
    finally:
        app.kill()


def fill_study(load: Load, enter: SignIn, submit: Submit) -> list[float]:
    """Seconds of each submit until every place is taken; RuntimeError where an answer was not stored."""
    dice = random.Random(0)
    times: list[float] = []
    desks = {number: enter(f"Annotator {number}") for number in range(load.people)}
    left = dict.fromkeys(desks, load.each)
    while left:
        number = dice.choice(sorted(left))
        said = dict(zip(ANSWER_FIELDS, (*ANSWERS[len(times) % len(ANSWERS)], ""), strict=True))
        begun = time.perf_counter()
        desks[number] = submit(desks[number], said)
        times.append(time.perf_counter() - begun)
        if "Saved" not in desks[number]["message"]:
            raise RuntimeError(f"Not stored: {desks[number]['message']}")
        left[number] -= 1
        if not left[number]:
            del left[number]
    return times


def summary_lines(name: str, times: list[float]) -> Iterator[str]:
    size = -(-len(times) // PART_COUNT)
    for start in range(0, len(times), size):
        part = [seconds * 1000 for seconds in times[start : start + size]]
        yield f"{name}, submits {start + 1:,} to {start + len(part):,}: {median(part):.1f} ms, mean {mean(part):.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small study")
    load = QUICK_LOAD if parser.parse_args().quick else FULL_LOAD
    for name, way in (("in process", handlers_in_process), ("over HTTP", handlers_over_http)):
        with tempfile.TemporaryDirectory() as folder:
            create_load_study(Path(folder), load)
            with way(Path(folder)) as (enter, submit):
                print(*summary_lines(name, fill_study(load, enter, submit)), sep="\n", flush=True)


if __name__ == "__main__":
    main()
