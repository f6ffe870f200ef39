"""Rows of two apps that contradict each other: the first of each person counts, the others are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from annotation.ledger.conflicts import split_acceptable
from annotation.types import Judgment, StoredJudgment

Judge = Callable[..., Judgment]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def split(judgments: Iterable[Judgment], here: Iterable[Judgment] = ()) -> tuple[list[str], list[str]]:
    fitting, others = split_acceptable([StoredJudgment(row, NOON) for row in judgments], {"a-1", "a-2"}, here)
    return [row.row_id for row in fitting], [row.row_id for row in others]


def test_chains_and_different_people_fit(judge: Judge) -> None:
    rows = [judge("j-1"), judge("j-2", supersedes="j-1"), judge("j-3", supersedes="j-2"), judge("j-4", annotator="a-2")]
    assert split(rows) == (["j-1", "j-2", "j-3", "j-4"], [])


def test_a_second_first_answer_and_what_replaces_it_do_not(judge: Judge) -> None:
    rows = [judge("j-1"), judge("k-1"), judge("k-2", supersedes="k-1"), judge("j-2", supersedes="j-1")]
    assert split(rows) == (["j-1", "j-2"], ["k-1", "k-2"])


def test_a_second_successor_does_not(judge: Judge) -> None:
    rows = [judge("j-1"), judge("j-2", supersedes="j-1"), judge("k-2", supersedes="j-1")]
    assert split(rows) == (["j-1", "j-2"], ["k-2"])


def test_what_replaces_nothing_or_something_else_does_not(judge: Judge) -> None:
    rows = [judge("j-1"), judge("j-2", supersedes="gone"), judge("j-3", supersedes="j-1", layer=1)]
    assert split(rows) == (["j-1"], ["j-2", "j-3"])


def test_without_consent_nothing_fits(judge: Judge) -> None:
    assert split([judge("j-1", annotator="a-9")]) == ([], ["j-1"])


def test_what_the_journal_holds_comes_first(judge: Judge) -> None:
    here = [judge("k-1"), judge("k-2", supersedes="k-1")]
    assert split([judge("j-1"), judge("k-1"), judge("k-2", supersedes="k-1")], here) == (["k-1", "k-2"], ["j-1"])
