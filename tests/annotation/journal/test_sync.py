"""What the ledger takes from the journal and gives back: each row once, nothing of who withdrew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from annotation.errors import JournalError
from annotation.journal.journal import Journal
from annotation.types import Consent, ConsentedAnnotator, Judgment, LedgerRows, Receipt, StoredJudgment, Withdrawal
from tests.annotation.invented_study import freeze_invented_study

Judge = Callable[..., Judgment]
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
NOTHING = LedgerRows((), (), ())
WITHDRAWN = "Your answers were withdrawn, so nothing of yours is stored any more"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite", now=lambda: NOON) as opened:
        for pseudonym in ("a-1", "a-2"):
            opened.record_consent(pseudonym, "1")
        yield opened


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Journal]:
    """A journal on a disk that was wiped."""
    with Journal(tmp_path / "wiped" / "journal.sqlite", now=lambda: LATER) as opened:
        yield opened


def publish(journal: Journal, commit: str) -> LedgerRows:
    rows = journal.unpublished_rows()
    journal.mark_published("judgment", [row.row_id for row in rows.judgments], commit)
    journal.mark_published("consent", [row.row_id for row in rows.consents], commit)
    journal.mark_published("withdrawal", [row.row_id for row in rows.withdrawals], commit)
    return rows


def test_every_row_is_unpublished_until_a_commit_holds_it(journal: Journal, judge: Judge) -> None:
    first, other = judge("j-1"), judge("j-2", annotator="a-2")
    journal.record_judgment(first)
    journal.record_judgment(other)
    consents = (Consent("a-1", NOON, "1"), Consent("a-2", NOON, "1"))
    assert journal.unpublished_rows() == LedgerRows(
        (StoredJudgment(first, NOON), StoredJudgment(other, NOON)), consents, ()
    )
    journal.mark_published("judgment", ["j-1"], "abc")
    assert journal.unpublished_rows().judgments == (StoredJudgment(other, NOON),)
    assert journal.publication_commits(["j-1", "j-2", "j-3"]) == {"j-1": "abc"}
    publish(journal, "def")
    assert journal.unpublished_rows() == NOTHING
    assert journal.publication_commits(["j-1", "j-2"]) == {"j-1": "abc", "j-2": "def"}
    journal.mark_published("judgment", ["j-1"], "again")
    assert journal.publication_commits(["j-1"]) == {"j-1": "abc"}


def test_a_receipt_says_where_a_judgment_is(journal: Journal, judge: Judge) -> None:
    assert journal.record_judgment(judge()) == Receipt("j-1", NOON, is_duplicate=False, published_commit=None)
    publish(journal, "abc")
    assert journal.record_judgment(judge()) == Receipt("j-1", NOON, is_duplicate=True, published_commit="abc")


def test_consent_to_other_guidelines_is_another_row(journal: Journal) -> None:
    publish(journal, "abc")
    journal.record_consent("a-1", "2")
    assert journal.unpublished_rows().consents == (Consent("a-1", NOON, "2"),)


def test_thousands_of_ids_can_be_asked_for_at_once(journal: Journal, judge: Judge) -> None:
    journal.record_judgment(judge())
    publish(journal, "abc")
    assert journal.publication_commits([*(f"none-{n}" for n in range(2500)), "j-1"]) == {"j-1": "abc"}


def test_a_wiped_disk_gets_everything_back_with_its_times_and_without_names(
    journal: Journal, empty: Journal, judge: Judge
) -> None:
    journal.record_judgment(judge("j-1"))
    journal.record_judgment(judge("j-2", precision="poor", supersedes="j-1"))
    journal.record_judgment(judge("j-3", annotator="a-2", comment="é\r\n="))
    rows = journal.unpublished_rows()
    backwards = tuple(reversed(rows.judgments))  # files may come in any order
    assert empty.restore(replace(rows, judgments=backwards), "abc") == 5
    assert {row.judgment_id: row for row in empty.all_judgments()} == {
        row.judgment_id: row for row in journal.all_judgments()
    }
    assert empty.unpublished_rows() == NOTHING
    assert empty.record_judgment(judge("j-1")) == Receipt("j-1", NOON, is_duplicate=True, published_commit="abc")
    assert empty.annotators() == [
        ConsentedAnnotator("a-1", NOON, "1"),
        ConsentedAnnotator("a-2", NOON, "1"),
    ]
    empty.record_consent("a-1", "1")
    assert empty.annotators()[0] == ConsentedAnnotator("a-1", NOON, "1")


def test_restoring_again_changes_nothing(journal: Journal, empty: Journal, judge: Judge) -> None:
    journal.record_judgment(judge("j-1"))
    rows = journal.unpublished_rows()
    assert [empty.restore(rows, commit) for commit in ("abc", "def")] == [3, 0]
    empty.record_judgment(judge("j-2", layer=3))
    assert empty.restore(rows, "ghi") == 0
    assert [row.judgment_id for row in empty.all_judgments()] == ["j-1", "j-2"]
    assert [row.row_id for row in empty.unpublished_rows().judgments] == ["j-2"]
    assert empty.publication_commits(["j-1", "j-2"]) == {"j-1": "abc"}


def test_a_commit_whose_answer_was_lost_is_recognised(journal: Journal, judge: Judge) -> None:
    journal.record_judgment(judge())
    rows = journal.unpublished_rows()
    assert journal.restore(rows, "abc") == 0
    assert journal.unpublished_rows() == NOTHING


def test_rows_that_contradict_the_journal_are_refused_as_a_whole(journal: Journal, judge: Judge) -> None:
    journal.record_judgment(judge("j-1"))
    consents = (Consent("a-3", NOON, "1"),)
    refused = {
        "judgment j-1 in the ledger differs": StoredJudgment(judge("j-1", layer=4), NOON),
        "judgment j-9 in the ledger is of an item": StoredJudgment(judge("j-9"), NOON),
        "FOREIGN KEY constraint failed": StoredJudgment(judge("j-9", layer=4, supersedes="nowhere"), NOON),
    }
    for sentence, row in refused.items():
        with pytest.raises(JournalError, match=sentence):
            journal.restore(LedgerRows((StoredJudgment(judge("j-8", layer=9), NOON), row), consents, ()), "abc")
    with pytest.raises(JournalError, match="FOREIGN KEY constraint failed"):
        journal.restore(LedgerRows((StoredJudgment(judge("j-8", annotator="unknown"), NOON),), (), ()), "abc")
    assert [row.judgment_id for row in journal.all_judgments()] == ["j-1"]
    assert len(journal.annotators()) == 2
    assert journal.publication_commits(["j-1", "j-8"]) == {}


def test_who_withdraws_is_left_out_everywhere_and_stays_out(journal: Journal, judge: Judge) -> None:
    hers, his = judge("j-1"), judge("j-2", annotator="a-2")
    journal.record_judgment(hers)
    journal.record_judgment(his)
    journal.withdraw("a-1")
    journal.withdraw("a-1")
    assert journal.withdrawal_times() == {"a-1": NOON}
    assert journal.all_judgments() == journal.all_judgments("default") == journal.current_judgments("default") == [his]
    assert journal.current_judgments("default", "a-1") == []
    assert journal.all_judgments(include_withdrawn=True) == [hers, his]
    assert journal.annotators()[0] == ConsentedAnnotator("a-1", NOON, "1")
    for attempt in (lambda: journal.record_judgment(hers), lambda: journal.record_consent("a-1", "2")):
        with pytest.raises(JournalError, match=WITHDRAWN):
            attempt()
    with pytest.raises(JournalError, match="Nobody has the pseudonym 'a-9'"):
        journal.withdraw("a-9")
    with pytest.raises(JournalError, match="withdrawals are only ever added"), journal.transaction("{reason}"):
        journal.execute("DELETE FROM withdrawals")


def test_publishing_and_restoring_obey_a_withdrawal(journal: Journal, empty: Journal, judge: Judge) -> None:
    hers, his = judge("j-1"), judge("j-2", annotator="a-2")
    for row in (hers, his):
        journal.record_judgment(row)
    earlier = publish(journal, "abc")
    journal.record_judgment(judge("j-3", layer=3))
    journal.withdraw("a-1")
    assert journal.unpublished_rows() == LedgerRows((), (), (Withdrawal("a-1", NOON),))
    assert empty.restore(replace(earlier, withdrawals=(Withdrawal("a-1", NOON),)), "def") == 4
    assert empty.all_judgments(include_withdrawn=True) == [his]
    assert empty.withdrawal_times() == {"a-1": NOON}
    with pytest.raises(JournalError, match=WITHDRAWN):
        empty.record_judgment(replace(hers, judgment_id="sent again"))


@pytest.mark.parametrize("way", ["ledger", "copy"])
def test_a_withdrawal_from_elsewhere_deletes_the_reservations(journal: Journal, judge: Judge, way: str) -> None:
    journal.record_judgment(judge("j-1"))
    study = freeze_invented_study(overlap=0)
    assert journal.reserve_next_item(study, "a-1").item is not None
    row = Withdrawal("a-1", NOON - timedelta(days=1))
    if way == "ledger":
        journal.restore(LedgerRows((), (), (row,)), "abc")
    else:
        assert journal.restore_withdrawals([row, Withdrawal("a-unknown", NOON)]) == 2
        assert journal.restore_withdrawals([row]) == 0
        assert [each.annotator for each in journal.unpublished_withdrawals()] == ["a-1", "a-unknown"]
    assert journal.withdrawal_times()["a-1"] == row.withdrawn_at
    assert journal.slot_holders(study).reserved_by == {}
    assert journal.all_judgments() == []


def test_a_withdrawal_that_comes_back_first_holds_for_rows_that_come_later(empty: Journal, judge: Judge) -> None:
    assert empty.restore(LedgerRows((), (), (Withdrawal("a-1", NOON),)), "abc") == 1
    assert empty.restore(LedgerRows((StoredJudgment(judge(), NOON),), (Consent("a-1", NOON, "1"),), ()), "def") == 1
    assert empty.all_judgments(include_withdrawn=True) == []
