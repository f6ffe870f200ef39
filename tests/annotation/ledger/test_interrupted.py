"""An app that ends at any point: what it had published is there once, and what it had not is published later."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from annotation.journal.journal import Journal
from annotation.journal.sync import RowKind
from annotation.ledger.pending import PendingFile
from maps.hub.repository import HubDataset, RepositoryState
from tests.annotation.ledger_app import LEDGER_NAME, LedgerApp, MakeJudgment, ledger_rows, published_ids
from tests.hub.loopback import TOKEN, LoopbackHub

ROOT = Path(__file__).parents[3]


class Killed(BaseException):
    """The end of a process."""


class Fate:
    """Ends the process at its `last` step; None: never."""

    last: int | None = None
    steps = 0

    @classmethod
    def step(cls) -> None:
        cls.steps += 1
        if cls.steps == cls.last:
            raise Killed

    @classmethod
    def until(cls, last: int | None) -> None:
        cls.last, cls.steps = last, 0


class MortalDataset(HubDataset):
    """May end before and after whatever it asks the Hub."""

    def read_state(self) -> RepositoryState | None:
        Fate.step()
        return super().read_state()

    def read_files(self, head: RepositoryState, paths: Iterable[str]) -> dict[str, bytes]:
        Fate.step()
        return super().read_files(head, paths)

    def commit(self, *arguments: Any, **options: Any) -> str:
        Fate.step()
        made = super().commit(*arguments, **options)
        Fate.step()
        return made

    def squash_history(self, message: str) -> None:
        Fate.step()
        super().squash_history(message)
        Fate.step()


class MortalJournal(Journal):
    """May end before and after it notes what is published."""

    def mark_published(self, kind: RowKind, ids: Iterable[str], commit_id: str) -> None:
        Fate.step()
        super().mark_published(kind, ids, commit_id)
        Fate.step()


@pytest.fixture
def mortal(hub: LoopbackHub, tmp_path: Path, judge: MakeJudgment) -> LedgerApp:
    Fate.until(None)
    return LedgerApp(hub, tmp_path / "data", judge, dataset_class=MortalDataset, journal_class=MortalJournal)


def survived(work: Callable[[], object], last: int) -> bool:
    """Whether the work was done before its `last` step."""
    Fate.until(last)
    try:
        work()
    except Killed:
        return False
    finally:
        Fate.until(None)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("wiped", [False, True])
def test_publishing_may_end_anywhere(mortal: LedgerApp, hub: LoopbackHub, wiped: bool) -> None:
    names: list[str] = []
    for last in range(1, 40):
        sent = [f"j-{last}-1", f"j-{last}-2"]
        names += sent
        mortal.restart()
        for name in sent:
            mortal.record_answer(name)
        done = survived(mortal.ledger.publish, last)
        mortal.restart(wiped)
        mortal.ledger.restore()
        for name in sent:  # as the browser does, which holds them until they are published
            mortal.record_answer(name)
        mortal.record_answer(f"k-{last}")
        names.append(f"k-{last}")
        while mortal.ledger.publish():
            pass
        assert published_ids(hub) == sorted(names)
        assert sorted(mortal.journal.publication_commits(names)) == sorted(names)
        if done:
            break
    assert last > 8


def test_a_pending_file_is_whole_or_not_there(mortal: LedgerApp) -> None:
    mortal.ledger.restore()
    mortal.record_answer("j-1")
    assert not survived(mortal.ledger.publish, 1)
    batch = PendingFile(mortal.data / "ledger.pending.json").read()
    assert batch is not None
    assert {kind: list(ids) for kind, ids in batch.row_ids.items()} == {
        "judgments": ["j-1"],
        "consents": ["a-1 1"],
        "withdrawals": [],
        "openings": [],
        "endings": [],
        "changes": [],
    }


def test_putting_files_together_may_end_anywhere(mortal: LedgerApp, hub: LoopbackHub) -> None:
    names = []
    for last in range(1, 20):
        for number in range(2):
            mortal.clock.advance(minutes=10)
            names.append(f"j-{last}-{number}")
            mortal.record_answer(names[-1])
            mortal.ledger.publish()
        mortal.clock.advance(days=3)
        done = survived(mortal.ledger.compact, last)
        assert published_ids(hub) == sorted(names)
        mortal.restart()
        mortal.ledger.restore()
        mortal.ledger.compact()
        assert published_ids(hub) == sorted(names)
        assert len([path for path in hub.files(LEDGER_NAME) if path.startswith("judgments/")]) == last
        if done:
            break
    assert last > 4


@pytest.mark.process
def test_forgetting_may_end_anywhere(mortal: LedgerApp, hub: LoopbackHub) -> None:
    kept = []
    for last in range(1, 30):
        kept.append(f"j-{last}")
        mortal.record_answer(kept[-1], annotator="a-stays")
        mortal.record_answer(f"gone-{last}", annotator=f"a-{last}")
        mortal.ledger.publish()
        mortal.journal.withdraw(f"a-{last}")
        done = survived(mortal.ledger.forget_withdrawn, last)
        mortal.restart(wipe_disk=done)
        mortal.ledger.restore()
        while mortal.ledger.publish() or mortal.ledger.is_forget_due:
            mortal.ledger.forget_withdrawn()
        history = [
            content for commit in hub.repositories["dataset", LEDGER_NAME].commits for content in commit.files.values()
        ]
        assert f"gone-{last}".encode() not in b"".join(history)
        assert published_ids(hub) == sorted(kept)
        assert "squash-pending.txt" not in hub.files(LEDGER_NAME)
        if done:
            break
    assert {line["annotator"] for line in ledger_rows(hub, "consents")} == {"a-stays"}
    assert len(ledger_rows(hub, "withdrawals")) == last
    assert sorted(mortal.judgment_ids()) == sorted(kept)
    assert last > 8


@pytest.mark.parametrize("lost", ["commit", "super-squash"])
def test_upkeep_whose_answers_are_lost_is_done_once(mortal: LedgerApp, hub: LoopbackHub, lost: str) -> None:
    for number in range(2):
        mortal.clock.advance(minutes=5)
        mortal.record_answer(f"j-{number}")
        mortal.record_answer(f"gone-{number}", annotator="a-gone")
        mortal.ledger.publish()
    mortal.clock.advance(days=3)
    hub.lose_next_reply("POST .*/commit/")
    assert mortal.ledger.compact() is None  # somebody did it already: it was itself
    assert published_ids(hub) == ["gone-0", "gone-1", "j-0", "j-1"]
    assert len([path for path in hub.files(LEDGER_NAME) if path.startswith("judgments/")]) == 1
    mortal.journal.withdraw("a-gone")
    mortal.ledger.publish()
    hub.lose_next_reply(f"POST .*/{lost}/")
    assert mortal.ledger.forget_withdrawn()
    assert not mortal.ledger.forget_withdrawn()
    assert published_ids(hub) == ["j-0", "j-1"]
    assert len(hub.repositories["dataset", LEDGER_NAME].commits) == 2
    assert "squash-pending.txt" not in hub.files(LEDGER_NAME)


PUBLISH = """
import sys
from pathlib import Path
from maps.hub.repository import HubDataset
from annotation.journal.journal import Journal
from annotation.ledger import HubLedger
data = Path(sys.argv[4])
HubLedger(HubDataset(*sys.argv[1:4]), Journal(data / "journal.sqlite"), data).publish()
"""


def test_a_process_that_is_killed_while_the_hub_is_at_it_adds_nothing_twice(
    hub: LoopbackHub, mortal: LedgerApp
) -> None:
    mortal.ledger.restore()
    mortal.record_answer("j-1")
    hub.stall_next("POST .*/commit/", 1.0)
    command = [sys.executable, "-c", PUBLISH, LEDGER_NAME, TOKEN, hub.url, str(mortal.data)]
    process = subprocess.Popen(command, cwd=ROOT)
    while hub.ordered_failures[0].times:
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -9
    mortal.restart()
    mortal.record_answer("j-2")
    mortal.ledger.publish()
    mortal.ledger.publish()
    while [commit.title for commit in hub.commits(LEDGER_NAME)].count("Add 2 rows") < 2:
        time.sleep(0.02)
    assert published_ids(hub) == ["j-1", "j-2"]
