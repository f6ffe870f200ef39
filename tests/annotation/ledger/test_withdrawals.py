"""A withdrawal is published first and at once, and answers of somebody who withdrew are not sent any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from annotation.errors import LedgerError
from annotation.ledger.pending import PendingFile
from annotation.ledger.publisher import FORGET_INTERVAL, PUBLISH_INTERVAL, Publisher
from maps.errors import HubError
from tests.annotation.ledger_app import LEDGER_NAME, LedgerApp, MakeJudgment, Seconds, ledger_rows, published_ids
from tests.hub.loopback import LoopbackHub, OrderedFailure

COMMIT = "POST .*/commit/"
NEXT_START = "start the app again, which sends withdrawals first; do not publish a release before that."


@pytest.fixture
def app(hub: LoopbackHub, tmp_path: Path, judge: MakeJudgment) -> Iterator[LedgerApp]:
    """An app that has read its empty ledger, with an answer of each of two people; one of them will withdraw."""
    made = LedgerApp(hub, tmp_path / "data", judge, retry_waits=())
    made.ledger.restore()
    made.record_answer("j-stays", annotator="a-stays")
    made.record_answer("j-gone", annotator="a-gone")
    yield made
    made.journal.close()


def titles(hub: LoopbackHub) -> list[str]:
    return [commit.title for commit in hub.commits(LEDGER_NAME)]


def history(hub: LoopbackHub) -> bytes:
    commits = hub.repositories["dataset", LEDGER_NAME].commits
    return b"".join(content for commit in commits for content in commit.files.values())


def withdrawn(hub: LoopbackHub) -> list[str]:
    return sorted(str(row["annotator"]) for row in ledger_rows(hub, "withdrawals"))


def publish_or_fail(app: LedgerApp) -> None:
    with suppress(HubError):
        app.ledger.publish()


def wait_until_asked(hub: LoopbackHub) -> None:
    """Waits until the request that is ordered to fail has come."""
    while hub.ordered_failures[0].times:
        time.sleep(0.005)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_fixed_batch_with_answers_of_somebody_who_withdrew_is_not_sent(
    hub: LoopbackHub, app: LedgerApp, is_restarted: bool
) -> None:
    hub.fail_next(COMMIT, 503)
    with pytest.raises(HubError):
        app.ledger.publish()
    pending = PendingFile(app.data / "ledger.pending.json").read()
    assert pending is not None
    assert set(pending.row_ids["judgments"]) == {"j-stays", "j-gone"}
    app.journal.withdraw("a-gone")
    if is_restarted:
        app.restart()
    app.ledger.publish()
    assert titles(hub) == ["Add 1 withdrawal", "Add 2 rows"]
    assert published_ids(hub) == ["j-stays"]
    assert b"j-gone" not in history(hub)
    assert app.ledger.is_forget_due  # the first try may have arrived
    assert PendingFile(app.data / "ledger.pending.json").read() is None


def test_a_fixed_batch_whose_first_try_arrived_is_forgotten_and_not_sent_again(
    hub: LoopbackHub, app: LedgerApp
) -> None:
    hub.lose_next_reply(COMMIT)
    with pytest.raises(HubError):
        app.ledger.publish()
    assert published_ids(hub) == ["j-gone", "j-stays"]
    app.journal.withdraw("a-gone")
    app.ledger.publish()
    [_, withdrawal, later] = hub.commits(LEDGER_NAME)
    new = {path: content for path, content in later.files.items() if path not in withdrawal.files}
    assert b"j-gone" not in b"".join(new.values())
    assert app.ledger.forget_withdrawn()
    assert set(published_ids(hub)) == {"j-stays"}
    assert b"j-gone" not in history(hub)
    assert withdrawn(hub) == ["a-gone"]


@pytest.mark.parametrize("retry_waits", [(), (0.0, 0.0)])
def test_a_withdrawal_while_rows_are_being_sent_stops_the_next_try(
    hub: LoopbackHub, tmp_path: Path, judge: MakeJudgment, retry_waits: tuple[float, ...]
) -> None:
    app = LedgerApp(hub, tmp_path / "data", judge, retry_waits=retry_waits)
    app.ledger.restore()
    app.record_answer("j-stays", annotator="a-stays")
    app.record_answer("j-gone", annotator="a-gone")
    hub.ordered_failures.append(OrderedFailure(COMMIT, 1, status=503, delay=0.3))
    sending = threading.Thread(target=publish_or_fail, args=(app,))
    sending.start()
    wait_until_asked(hub)
    app.journal.withdraw("a-gone")
    sending.join()
    app.ledger.publish()
    assert titles(hub) == ["Add 1 withdrawal", "Add 2 rows"]
    assert b"j-gone" not in history(hub)
    app.journal.close()


def test_a_withdrawal_goes_before_a_fixed_batch_of_others(hub: LoopbackHub, app: LedgerApp) -> None:
    app.ledger.publish()
    app.record_answer("j-new", annotator="a-stays")
    hub.fail_next(COMMIT, 503)
    with pytest.raises(HubError):
        app.ledger.publish()
    app.journal.withdraw("a-gone")
    hub.ordered_failures.append(OrderedFailure(COMMIT, 1, status=503, skip=1))  # the batch is refused again
    with pytest.raises(HubError):
        app.ledger.publish()
    assert titles(hub)[1:] == ["Add 1 withdrawal"]
    assert withdrawn(hub) == ["a-gone"]


def test_a_withdrawal_sent_twice_is_there_once(hub: LoopbackHub, app: LedgerApp) -> None:
    app.journal.withdraw("a-gone")
    hub.lose_next_reply(COMMIT)
    with pytest.raises(HubError):
        app.ledger.publish_withdrawals()
    app.journal.withdraw("a-stays")
    app.ledger.publish_withdrawals()
    assert app.ledger.publish_withdrawals() is None
    assert withdrawn(hub) == ["a-gone", "a-stays"]
    assert "config_name: withdrawals" in hub.files(LEDGER_NAME)["README.md"].decode()


def test_a_withdrawal_does_not_wait_for_the_next_publication(hub: LoopbackHub, app: LedgerApp) -> None:
    seconds = Seconds()
    publisher = Publisher(app.ledger, seconds)
    publisher.run_due()
    app.journal.withdraw("a-gone")
    seconds.now += 1
    publisher.run_due()
    assert withdrawn(hub) == ["a-gone"]
    assert published_ids(hub) == []


def test_a_withdrawal_does_not_wait_for_the_next_try_but_for_a_hub_that_asks_to_wait(
    hub: LoopbackHub, app: LedgerApp
) -> None:
    seconds = Seconds()
    publisher = Publisher(app.ledger, seconds)
    seconds.now += PUBLISH_INTERVAL
    hub.fail_next(COMMIT, 503)
    publisher.run_due()
    app.journal.withdraw("a-gone")
    hub.fail_next(COMMIT, 429, retry_after=60)
    publisher.run_due()
    assert len(hub.matching_requests(COMMIT)) == 2
    app.journal.withdraw("a-stays")
    seconds.now += 59
    publisher.run_due()
    assert withdrawn(hub) == []
    seconds.now += 1
    publisher.run_due()
    assert withdrawn(hub) == ["a-gone", "a-stays"]


def test_a_withdrawal_is_published_although_the_ledger_cannot_be_read(hub: LoopbackHub, app: LedgerApp) -> None:
    app.journal.withdraw("a-gone")
    hub.add_dataset(LEDGER_NAME, {"judgments/2026/11/24/x.jsonl": b"{"}, private=True)
    app.restart()
    Publisher(app.ledger, Seconds()).run_due()
    assert withdrawn(hub) == ["a-gone"]
    assert not app.ledger.is_restored
    with pytest.raises(LedgerError, match="is damaged"):
        app.ledger.publish()


def test_forgetting_that_failed_is_tried_again_and_many_withdrawals_are_forgotten_together(
    hub: LoopbackHub, app: LedgerApp
) -> None:
    seconds = Seconds()
    publisher = Publisher(app.ledger, seconds)
    app.record_answer("j-2", annotator="a-2")
    app.ledger.publish()
    app.journal.withdraw("a-gone")
    hub.fail_next("POST .*/super-squash/", 503)
    publisher.run_due()
    assert b"j-gone" in history(hub)
    seconds.now += 20
    publisher.run_due()
    assert b"j-gone" not in history(hub)
    app.journal.withdraw("a-2")
    seconds.now += 1
    publisher.run_due()
    assert withdrawn(hub) == ["a-2", "a-gone"]
    assert b"j-2" in history(hub)
    seconds.now += FORGET_INTERVAL
    publisher.run_due()
    assert b"j-2" not in history(hub)
    assert published_ids(hub) == ["j-stays"]


def test_a_withdrawal_in_another_app_counts_here_before_the_next_publication(
    hub: LoopbackHub, app: LedgerApp, tmp_path: Path, judge: MakeJudgment
) -> None:
    app.ledger.publish()
    other = LedgerApp(hub, tmp_path / "other", judge)
    other.ledger.restore()
    other.journal.withdraw("a-gone")
    other.ledger.publish_withdrawals()
    other.journal.close()
    app.record_answer("j-gone-2", annotator="a-gone")
    app.record_answer("j-stays-2", annotator="a-stays")
    app.ledger.publish()
    assert b"j-gone-2" not in history(hub)
    assert list(app.journal.withdrawal_times()) == ["a-gone"]
    assert [row.judgment_id for row in app.journal.all_judgments()] == ["j-stays", "j-stays-2"]
    assert app.ledger.is_forget_due  # the other app may have ended before it forgot


def test_rows_that_arrive_after_their_withdrawal_was_forgotten_are_forgotten_too(
    hub: LoopbackHub, app: LedgerApp
) -> None:
    app.ledger.publish()
    [late] = [path for path in hub.files(LEDGER_NAME) if path.startswith("judgments/")]
    content = hub.files(LEDGER_NAME)[late]
    app.journal.withdraw("a-gone")
    app.ledger.forget_withdrawn()
    hub.add_dataset(LEDGER_NAME, {late.replace("-", "-late"): content})  # a request whose sender was killed
    app.record_answer("j-2", annotator="a-stays")
    app.ledger.publish()
    assert app.ledger.is_forget_due
    app.ledger.forget_withdrawn()
    assert b"j-gone" not in history(hub)
    assert set(published_ids(hub)) == {"j-2", "j-stays"}


def test_a_ledger_that_is_deleted_while_the_app_runs_is_filled_again(hub: LoopbackHub, app: LedgerApp) -> None:
    app.ledger.publish()
    del hub.repositories["dataset", LEDGER_NAME]
    app.journal.withdraw("a-gone")
    while app.ledger.publish() is not None:
        app.record_answer("j-2", annotator="a-stays")
    assert published_ids(hub) == ["j-2", "j-stays"]
    assert withdrawn(hub) == ["a-gone"]


@pytest.mark.slow
def test_the_end_waits_for_a_withdrawal_and_tries_again(hub: LoopbackHub, app: LedgerApp) -> None:
    publisher = Publisher(app.ledger)
    publisher.start()
    app.journal.withdraw("a-gone")
    hub.fail_next(COMMIT, 503, times=2)
    left = publisher.stop(0.1, 20)  # the wait for answers may be too short for the consent of another person
    assert not any("withdrawal" in sentence for sentence in left)
    assert withdrawn(hub) == ["a-gone"]


def test_the_end_says_what_the_ledger_lacks_with_withdrawals_by_themselves(hub: LoopbackHub, app: LedgerApp) -> None:
    app.journal.withdraw("a-gone")
    hub.fail_next(COMMIT, 503, times=1000)
    publisher = Publisher(app.ledger)
    publisher.start()
    assert publisher.stop(0.2, 0.5) == (
        f"Not in the ledger {LEDGER_NAME} yet: 1 withdrawal. Keep the data folder and {NEXT_START}",
        f"Not in the ledger {LEDGER_NAME} yet: 1 answer, 1 consent; the next start publishes them.",
    )
    assert "1 withdrawal not in the ledger yet: do not publish a release before that." in (
        app.ledger.status().state_sentences()
    )
