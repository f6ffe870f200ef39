"""The thread that publishes: five minutes between publications, later after failures, all that is left at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from annotation.ledger.publisher import MAX_RETRY_WAIT, PUBLISH_INTERVAL, Publisher
from maps.hub.repository import RepositoryState
from tests.annotation.ledger_app import LEDGER_NAME, LedgerApp, MakeJudgment, Seconds, published_ids
from tests.hub.loopback import LoopbackHub


@pytest.fixture
def app(hub: LoopbackHub, tmp_path: Path, judge: MakeJudgment) -> Iterator[LedgerApp]:
    made = LedgerApp(hub, tmp_path / "data", judge, retry_waits=())
    yield made
    made.journal.close()


def commits(hub: LoopbackHub) -> int:
    return len(hub.commits(LEDGER_NAME))


def test_publications_are_five_minutes_apart(hub: LoopbackHub, app: LedgerApp) -> None:
    seconds = Seconds()
    publisher = Publisher(app.ledger, seconds)
    times = []
    for tick in range(80):  # every 15 seconds for 20 minutes, with a row a minute
        if tick % 4 == 0:
            app.record_answer(f"j-{tick:03}")
        before = commits(hub) if tick else 0
        publisher.run_due()
        if commits(hub) > before:
            times.append(seconds.now - 1000)
        seconds.now += 15
    assert times == [300, 600, 900]
    assert len(published_ids(hub)) == 16


def test_without_news_nothing_is_sent_and_news_after_a_pause_at_once(hub: LoopbackHub, app: LedgerApp) -> None:
    seconds = Seconds()
    publisher = Publisher(app.ledger, seconds)
    publisher.run_due()
    seconds.now += PUBLISH_INTERVAL
    publisher.run_due()
    assert commits(hub) == 0
    seconds.now += 7
    app.record_answer("j-1")
    publisher.run_due()
    assert commits(hub) == 1
    assert hub.matching_requests("POST .*/preupload/")


def test_failures_are_tried_again_later_and_later(hub: LoopbackHub, app: LedgerApp) -> None:
    seconds = Seconds()
    publisher = Publisher(app.ledger, seconds, seed=0)
    publisher.run_due()
    seconds.now += PUBLISH_INTERVAL
    app.record_answer("j-1")
    hub.fail_next("POST .*/commit/", 503, times=9)
    tries = []
    for _ in range(4000):
        before = len(hub.matching_requests("POST .*/commit/"))
        publisher.run_due()
        if len(hub.matching_requests("POST .*/commit/")) > before:
            tries.append(seconds.now)
        seconds.now += 1
    waits = [later - earlier for earlier, later in pairwise(tries)]
    expected = [min(15 * 2**n, MAX_RETRY_WAIT) for n in range(len(waits))]
    assert len(tries) == 10
    assert all(0.75 * wait <= waited <= 1.25 * wait + 1 for wait, waited in zip(expected, waits, strict=True))
    assert published_ids(hub) == ["j-1"]


def test_what_the_hub_asks_to_wait_is_waited(hub: LoopbackHub, app: LedgerApp) -> None:
    seconds = Seconds()
    publisher = Publisher(app.ledger, seconds)
    publisher.run_due()
    seconds.now += PUBLISH_INTERVAL
    app.record_answer("j-1")
    hub.fail_next("POST .*/commit/", 429, retry_after=1800)
    publisher.run_due()
    status = app.ledger.status()
    assert status.next_try_at is not None
    assert (status.next_try_at - app.clock()).total_seconds() == 1800
    seconds.now += 1799
    publisher.run_due()
    assert commits(hub) == 0
    seconds.now += 1
    publisher.run_due()
    assert published_ids(hub) == ["j-1"]


def test_a_ledger_that_cannot_be_read_is_read_later(hub: LoopbackHub, app: LedgerApp) -> None:
    seconds = Seconds()
    publisher = Publisher(app.ledger, seconds)
    hub.fail_next("GET /api/datasets/", 503)
    publisher.run_due()
    assert app.ledger.closed_reason() is not None
    publisher.run_due()
    assert app.ledger.closed_reason() is not None
    seconds.now += 20
    publisher.run_due()
    assert app.ledger.closed_reason() is None


def test_withdrawn_answers_leave_the_history_behind_the_next_publication(hub: LoopbackHub, app: LedgerApp) -> None:
    seconds = Seconds()
    publisher = Publisher(app.ledger, seconds)
    app.record_answer("j-1")
    app.record_answer("j-2", annotator="a-2")
    publisher.run_due()
    seconds.now += PUBLISH_INTERVAL
    publisher.run_due()
    app.journal.withdraw("a-2")
    seconds.now += PUBLISH_INTERVAL
    publisher.run_due()
    assert published_ids(hub) == ["j-1"]
    history = [
        content for commit in hub.repositories["dataset", LEDGER_NAME].commits for content in commit.files.values()
    ]
    assert [content for content in history if b"j-2" in content] == []
    assert app.ledger.unpublished_sentences() == ()


def test_files_are_put_together_when_there_is_nothing_else_to_do(hub: LoopbackHub, app: LedgerApp) -> None:
    seconds = Seconds()
    publisher = Publisher(app.ledger, seconds)
    publisher.run_due()
    for name in ("j-1", "j-2"):
        seconds.now += PUBLISH_INTERVAL
        app.clock.advance(minutes=5)
        app.record_answer(name)
        publisher.run_due()
    app.clock.advance(days=2)
    seconds.now += 3600
    publisher.run_due()
    assert [path for path in hub.files(LEDGER_NAME) if path.startswith("judgments/")] == [
        path for path in hub.files(LEDGER_NAME) if path.startswith("judgments/2026/11/24/20261124T121000Z-")
    ]
    assert published_ids(hub) == ["j-1", "j-2"]


def test_the_end_publishes_what_is_left(hub: LoopbackHub, app: LedgerApp) -> None:
    publisher = Publisher(app.ledger)
    publisher.start()
    app.record_answer("j-1")
    assert publisher.stop(10) == ()
    assert published_ids(hub) == ["j-1"]


def test_the_end_comes_in_time_when_the_hub_does_not_answer(hub: LoopbackHub, app: LedgerApp) -> None:
    app.ledger.restore()
    app.record_answer("j-1")
    hub.stall_next("POST .*/commit/", 30)
    publisher = Publisher(app.ledger)
    publisher.start()
    start = time.monotonic()
    assert publisher.stop(0.5) != ()
    assert time.monotonic() - start < 2
    assert app.ledger.status().unpublished_count == 2


def test_a_fault_of_the_program_is_told(hub: LoopbackHub, tmp_path: Path, judge: MakeJudgment) -> None:
    app = LedgerApp(hub, tmp_path / "data", judge)

    def broken() -> RepositoryState | None:
        raise ZeroDivisionError

    app.dataset.read_state = broken  # type: ignore[method-assign]
    publisher = Publisher(app.ledger)
    seen: list[type[BaseException]] = []
    before, threading.excepthook = threading.excepthook, lambda failed: seen.append(failed.exc_type)
    try:
        publisher.start()
        assert publisher.stop(10) == ()
    finally:
        threading.excepthook = before
    assert seen == [ZeroDivisionError]
    assert (
        app.ledger.status().error
        == "Publishing has stopped because of a program error (ZeroDivisionError); restart the app."
    )
    app.journal.close()
