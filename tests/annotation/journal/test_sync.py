"""What the ledger takes from the journal and gives back: each row once, nothing of who withdrew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from annotation.journal.journal import Journal, JournalError
from annotation.types import Annotator, Consent, Judgment, Receipt, Stored, Unpublished, Withdrawal

Judge = Callable[..., Judgment]
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
NOTHING = Unpublished((), (), ())
WITHDRAWN = "You have withdrawn your answers, so nothing of yours is stored any more"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite", now=lambda: NOON) as opened:
        for pseudonym in ("a-1", "a-2"):
            opened.consent(pseudonym, f"Name of {pseudonym}", "1")
        yield opened


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Journal]:
    """A journal on a disk that was wiped."""
    with Journal(tmp_path / "wiped" / "journal.sqlite", now=lambda: LATER) as opened:
        yield opened


def publish(journal: Journal, commit: str) -> Unpublished:
    """Marks everything as published."""
    rows = journal.unpublished()
    journal.mark_published("judgment", [row.row_id for row in rows.judgments], commit)
    journal.mark_published("consent", [row.row_id for row in rows.consents], commit)
    journal.mark_published("withdrawal", [row.row_id for row in rows.withdrawals], commit)
    return rows


def test_every_row_is_unpublished_until_a_commit_holds_it(journal: Journal, judge: Judge) -> None:
    first, other = judge("j-1"), judge("j-2", annotator="a-2")
    journal.record(first)
    journal.record(other)
    consents = (Consent("a-1", NOON, "1"), Consent("a-2", NOON, "1"))
    assert journal.unpublished() == Unpublished((Stored(first, NOON), Stored(other, NOON)), consents, ())
    journal.mark_published("judgment", ["j-1"], "abc")
    assert journal.unpublished().judgments == (Stored(other, NOON),)
    assert journal.published(["j-1", "j-2", "j-3"]) == {"j-1": "abc"}
    publish(journal, "def")
    assert journal.unpublished() == NOTHING
    assert journal.published(["j-1", "j-2"]) == {"j-1": "abc", "j-2": "def"}
    journal.mark_published("judgment", ["j-1"], "again")
    assert journal.published(["j-1"]) == {"j-1": "abc"}


def test_a_receipt_says_where_a_judgment_is(journal: Journal, judge: Judge) -> None:
    assert journal.record(judge()) == Receipt("j-1", NOON, duplicate=False, published=None)
    publish(journal, "abc")
    assert journal.record(judge()) == Receipt("j-1", NOON, duplicate=True, published="abc")


def test_consent_to_other_guidelines_is_another_row(journal: Journal) -> None:
    publish(journal, "abc")
    journal.consent("a-1", "Ada", "2")
    assert journal.unpublished().consents == (Consent("a-1", NOON, "2"),)


def test_thousands_of_ids_can_be_asked_for_at_once(journal: Journal, judge: Judge) -> None:
    journal.record(judge())
    publish(journal, "abc")
    assert journal.published([*(f"none-{n}" for n in range(2500)), "j-1"]) == {"j-1": "abc"}


def test_a_wiped_disk_gets_everything_back_with_its_times_and_without_names(
    journal: Journal, empty: Journal, judge: Judge
) -> None:
    journal.record(judge("j-1"))
    journal.record(judge("j-2", precision="poor", supersedes="j-1"))
    journal.record(judge("j-3", annotator="a-2", comment="é\r\n="))
    rows = journal.unpublished()
    backwards = tuple(reversed(rows.judgments))  # files may come in any order
    assert empty.restore(replace(rows, judgments=backwards), "abc") == 5
    assert {row.judgment_id: row for row in empty.rows()} == {row.judgment_id: row for row in journal.rows()}
    assert empty.unpublished() == NOTHING
    assert empty.record(judge("j-1")) == Receipt("j-1", NOON, duplicate=True, published="abc")
    assert empty.annotators() == [Annotator("a-1", None, NOON, "1"), Annotator("a-2", None, NOON, "1")]
    empty.consent("a-1", "Ada", "1")
    assert empty.annotators()[0] == Annotator("a-1", "Ada", NOON, "1")


def test_restoring_again_changes_nothing(journal: Journal, empty: Journal, judge: Judge) -> None:
    journal.record(judge("j-1"))
    rows = journal.unpublished()
    assert [empty.restore(rows, commit) for commit in ("abc", "def")] == [3, 0]
    empty.record(judge("j-2", layer=3))
    assert empty.restore(rows, "ghi") == 0
    assert [row.judgment_id for row in empty.rows()] == ["j-1", "j-2"]
    assert [row.row_id for row in empty.unpublished().judgments] == ["j-2"]
    assert empty.published(["j-1", "j-2"]) == {"j-1": "abc"}


def test_a_commit_whose_answer_was_lost_is_recognised(journal: Journal, judge: Judge) -> None:
    journal.record(judge())
    rows = journal.unpublished()
    assert journal.restore(rows, "abc") == 0
    assert journal.unpublished() == NOTHING


def test_rows_that_contradict_the_journal_are_refused_as_a_whole(journal: Journal, judge: Judge) -> None:
    journal.record(judge("j-1"))
    consents = (Consent("a-3", NOON, "1"),)
    refused = {
        "holds another judgment j-1": Stored(judge("j-1", layer=4), NOON),
        "judgment j-9 answers an item that the journal": Stored(judge("j-9"), NOON),
        "FOREIGN KEY constraint failed": Stored(judge("j-9", layer=4, supersedes="nowhere"), NOON),
    }
    for sentence, row in refused.items():
        with pytest.raises(JournalError, match=sentence):
            journal.restore(Unpublished((Stored(judge("j-8", layer=9), NOON), row), consents, ()), "abc")
    with pytest.raises(JournalError, match="FOREIGN KEY constraint failed"):
        journal.restore(Unpublished((Stored(judge("j-8", annotator="unknown"), NOON),), (), ()), "abc")
    assert [row.judgment_id for row in journal.rows()] == ["j-1"]
    assert len(journal.annotators()) == 2
    assert journal.published(["j-1", "j-8"]) == {}


def test_who_withdraws_is_left_out_everywhere_and_stays_out(journal: Journal, judge: Judge) -> None:
    hers, his = judge("j-1"), judge("j-2", annotator="a-2")
    journal.record(hers)
    journal.record(his)
    journal.withdraw("a-1")
    journal.withdraw("a-1")
    assert journal.withdrawn() == {"a-1": NOON}
    assert journal.rows() == journal.rows("default") == journal.current("default") == [his]
    assert journal.current("default", "a-1") == []
    assert journal.rows(withdrawn=True) == journal.current("default", withdrawn=True) == [hers, his]
    assert journal.annotators()[0] == Annotator("a-1", None, NOON, "1")
    for attempt in (lambda: journal.record(hers), lambda: journal.consent("a-1", "Ada", "2")):
        with pytest.raises(JournalError, match=WITHDRAWN):
            attempt()
    with pytest.raises(JournalError, match="Nobody has the pseudonym 'a-9'"):
        journal.withdraw("a-9")
    with pytest.raises(JournalError, match="withdrawals are only ever added"), journal.transaction("{reason}"):
        journal.execute("DELETE FROM withdrawals")


def test_publishing_and_restoring_obey_a_withdrawal(journal: Journal, empty: Journal, judge: Judge) -> None:
    hers, his = judge("j-1"), judge("j-2", annotator="a-2")
    for row in (hers, his):
        journal.record(row)
    earlier = publish(journal, "abc")
    journal.record(judge("j-3", layer=3))
    journal.withdraw("a-1")
    assert journal.unpublished() == Unpublished((), (), (Withdrawal("a-1", NOON),))
    assert empty.restore(replace(earlier, withdrawals=(Withdrawal("a-1", NOON),)), "def") == 4
    assert empty.rows(withdrawn=True) == [his]
    assert empty.withdrawn() == {"a-1": NOON}
    with pytest.raises(JournalError, match=WITHDRAWN):
        empty.record(replace(hers, judgment_id="sent again"))


def test_a_withdrawal_that_comes_back_first_holds_for_rows_that_come_later(empty: Journal, judge: Judge) -> None:
    assert empty.restore(Unpublished((), (), (Withdrawal("a-1", NOON),)), "abc") == 1
    assert empty.restore(Unpublished((Stored(judge(), NOON),), (Consent("a-1", NOON, "1"),), ()), "def") == 1
    assert empty.rows(withdrawn=True) == []
