"""A real server on loopback and a real browser in front of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@dataclass
class BrowserTestApp:
    """The app as a process of its own, over a data folder of its own."""

    data: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    organiser_link: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        environment = {**os.environ, "PORT": str(self.port), "MAPS_DATA": str(self.data)}
        environment.pop("MAPS_ATLASES", None)
        command = [sys.executable, "app.py"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"the app ended with status {self.process.returncode}")
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                self.organiser_link = read_organiser_link(self.process)
                return
        raise RuntimeError("the app did not answer within a minute")

    def clear_data(self) -> None:
        """Forgets all studies and all that people stored, behind the app's back; rows go on being numbered."""
        shutil.rmtree(self.data / "studies", ignore_errors=True)
        journal = f"file:{self.data / 'journal.sqlite'}?mode=rw"  # it is there, or this fails
        with closing(sqlite3.connect(journal, timeout=10, uri=True)) as database, database:
            made = database.execute(
                "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'"
            ).fetchall()
            guards = [(name, sql) for kind, name, sql in made if kind == "trigger"]
            for name, _ in guards:  # they keep rows from being deleted
                database.execute(f"DROP TRIGGER {name}")
            for table in [name for kind, name, _ in made if kind == "table"]:
                database.execute(f"DELETE FROM {table}")
            for _, sql in guards:
                database.execute(sql)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()

    def stop(self) -> int:
        """Asks it to end, as a host does; returns its exit status."""
        if self.process is None:
            return 0
        self.process.terminate()
        self.process.communicate(timeout=30)
        return self.process.returncode


def read_organiser_link(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        if line.startswith("For the organiser"):
            return line.split()[-1]
    raise RuntimeError("the app ended before it printed the organiser's link")


@pytest.fixture(scope="session")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserTestApp]:
    """The app, one for all tests of a worker."""
    app = BrowserTestApp(tmp_path_factory.mktemp("data"))
    app.start()
    yield app
    app.kill()


@pytest.fixture
def explorer(shared_app: BrowserTestApp) -> BrowserTestApp:
    """The app with nothing stored, started again if a test ended it."""
    if shared_app.process is None or shared_app.process.poll() is not None:
        shared_app.start()
    shared_app.clear_data()
    return shared_app


@pytest.fixture
def server(explorer: BrowserTestApp) -> BrowserTestApp:
    """The same, for tests that store."""
    return explorer


def chromium_path() -> str:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("No Chromium was found: install the package chromium, or set CHROMIUM to its path.")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, Debian's or the one that CHROMIUM names.

    It ends with its module: while it runs, no other test could run an event loop.
    """
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a fresh visitor; the test fails where the page's own code does."""
    with open_fresh_page(browser) as opened:
        yield opened


@pytest.fixture
def other_page(browser: Browser) -> Iterator[Page]:
    with open_fresh_page(browser) as opened:
        yield opened


@contextmanager
def open_fresh_page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


def submit_answer(page: Page, done: Locator) -> None:
    """Submits with Enter until `done` is visible; once more where the answer contradicts the description."""
    page.keyboard.press("Enter")
    asked = page.get_by_text("To keep your answer, submit it again")
    expect(done.or_(asked).first).to_be_visible()
    if asked.is_visible():
        expect(page.locator("#questions[inert]")).to_have_count(0)
        page.keyboard.press("Enter")
        expect(done).to_be_visible()
