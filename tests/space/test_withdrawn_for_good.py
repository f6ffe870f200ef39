"""Kill −9, lost disk and an outage of the Hub around a withdrawal, at random moments: nothing withdrawn comes back."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from annotation.export.hub import load_source_from_ledger
from maps.hub.repository import HubDataset
from tests.annotation.ledger_app import LEDGER_NAME, published_ids
from tests.hub.loopback import TOKEN, LoopbackHub, OrderedFailure
from tests.space.running import ROOT

pytestmark = pytest.mark.process

PEOPLE = ("Stays", "Goes")
REQUESTS = (
    "POST .*/commit/",
    "POST .*/commit/",
    "POST .*/preupload/",
    "POST .*/super-squash/",
    "GET /api/datasets/",
    "",
)
LONGEST = 60.0  # seconds until everything is published on a slow machine


@dataclass
class Process:
    """The process of `ledger_process`."""

    popen: subprocess.Popen[str]

    def order(self, do: str, **what: object) -> Any:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self.popen.stdin.flush()
        return json.loads(self.popen.stdout.readline())

    def stop(self) -> list[str]:
        """Ends it as a host does; returns what it says is not in the ledger."""
        said, _ = self.popen.communicate(timeout=LONGEST)
        return list(json.loads(said))


@contextmanager
def run_process(hub: LoopbackHub, data: Path) -> Iterator[Process]:
    """A process that is killed with SIGKILL at the end."""
    settings = {
        "MAPS_DATA": str(data),
        "MAPS_PSEUDONYM_KEY": "for tests, as long as keys must be",
        "MAPS_JUDGMENTS": LEDGER_NAME,
    }
    environment = {**os.environ, **settings, "HF_TOKEN": TOKEN, "HF_ENDPOINT": hub.url}
    command = [sys.executable, "-m", "tests.space.ledger_process"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as popen:
        try:
            yield Process(popen)
        finally:
            popen.kill()


@dataclass
class Browser:
    """The copies in the browser of a person, or of the organiser (no name)."""

    name: str | None
    copies: dict[str, str] = field(default_factory=dict)

    def update(self, order: Any) -> None:
        self.copies |= order.get("keep", {})
        for each in order.get("drop", ()):
            self.copies.pop(each, None)

    def open_page(self, app: Process) -> bool:
        """What a page does when it is opened; returns whether nothing is kept any more."""
        compared = app.order("compare", ids=list(self.copies))
        self.update(compared)
        seals = [self.copies[each] for each in compared["missing"]]
        self.update(app.order("restore", name=self.name, seals=seals))
        return not self.copies


def make_trouble(hub: LoopbackHub, dice: random.Random) -> None:
    """Some of the Hub's next requests fail, stall, are done without an answer, or are not done."""
    for _ in range(dice.randrange(3)):
        failure = OrderedFailure(dice.choice(REQUESTS), dice.randrange(1, 4), skip=dice.randrange(3))
        kind = dice.choice(("status", "delay", "lose_reply", "drop_request"))
        setattr(failure, kind, {"status": 503, "delay": dice.uniform(0.1, 0.8)}.get(kind, True))
        hub.ordered_failures.append(failure)


def judge_and_withdraw(hub: LoopbackHub, app: Process, browsers: list[Browser], dice: random.Random) -> int:
    """Everybody judges with pauses, then one of them is withdrawn by themselves or the organiser; returns how often."""
    until_open(app)
    count = dice.randrange(1, 5)
    for number in range(count):
        for browser in browsers[:2]:
            browser.update(app.order("answer", name=browser.name, judgment_id=f"{browser.name}-{number}", layer=number))
        time.sleep(dice.choice((0.0, dice.uniform(0, 1.2))))
        make_trouble(hub, dice)
    browsers[dice.choice((1, 3))].update(app.order("withdraw", name="Goes"))
    time.sleep(dice.choice((0.0, dice.uniform(0, 1.0))))
    return count


def until_open(app: Process) -> None:
    end = time.monotonic() + LONGEST
    while app.order("status")["closed"] is not None:
        assert time.monotonic() < end
        time.sleep(0.05)


def until_published(app: Process, browsers: list[Browser]) -> Any:
    """Opens everybody's page again and again until nothing is left to send; returns the status."""
    end = time.monotonic() + LONGEST
    while True:
        are_empty = [browser.open_page(app) for browser in browsers]
        found = app.order("status")
        if all(are_empty) and found["restored"] and not found["left"]:
            return found
        assert time.monotonic() < end, (browsers, found)
        time.sleep(0.05)


def live_through(hub: LoopbackHub, data: Path, seed: int) -> None:
    dice = random.Random(seed)
    stays, goes, organiser = Browser("Stays"), Browser("Goes"), Browser(None)
    second = Browser("Goes")  # another browser of the person, which never hears of the withdrawal
    browsers = [stays, goes, second, organiser]
    with run_process(hub, data) as app:
        count = judge_and_withdraw(hub, app, browsers, dice)
        if dice.random() < 0.3:
            app.stop()
    for _ in range(dice.randrange(1, 3)):
        if dice.random() < 0.7:
            shutil.rmtree(data, ignore_errors=True)  # it may have been killed before it made a file
        make_trouble(hub, dice)
        with run_process(hub, data) as app:
            for browser in dice.sample(browsers, dice.randrange(4)):
                browser.open_page(app)
            time.sleep(dice.uniform(0, 1.5))
    hub.ordered_failures.clear()
    for _ in range(2):
        with run_process(hub, data) as app:
            found = until_published(app, browsers)
        assert found["answers"] == [f"Stays-{number}" for number in range(count)]
        shutil.rmtree(data)
    commits = hub.repositories["dataset", LEDGER_NAME].commits
    assert b"Goes-" not in b"".join(content for commit in commits for content in commit.files.values())
    assert sorted(set(published_ids(hub))) == [f"Stays-{number}" for number in range(count)]
    source = load_source_from_ledger(HubDataset(LEDGER_NAME, TOKEN, hub.url), "default")
    assert {row.judgment_id for row in source.judgments} == set(published_ids(hub))
    assert source.withdrawn_count == 1


@pytest.mark.parametrize("seed", range(2))
def test_nothing_withdrawn_comes_back(hub: LoopbackHub, tmp_path: Path, seed: int) -> None:
    live_through(hub, tmp_path / "data", seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 20))
def test_nothing_withdrawn_comes_back_whenever_it_fails(hub: LoopbackHub, tmp_path: Path, seed: int) -> None:
    live_through(hub, tmp_path / "data", seed)
