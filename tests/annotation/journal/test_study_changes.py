"""What organisers change of a running study: a pause stops judging and nothing else, a deadline only moves on."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

from annotation.errors import JournalError
from annotation.journal.journal import Journal
from annotation.journal.participants import load_names, load_outcomes, record_name, record_outcome
from annotation.journal.study_changes import deadline_of, is_paused, load_changes
from annotation.study.study import build_default_study
from tests.annotation.invented_study import CANDIDATES, CREATED, freeze_invented_study
from tests.annotation.journal.conftest import Clock
from tests.annotation.journal.test_reservations import judged

DEADLINE = CREATED + timedelta(days=1)
WEEK = timedelta(days=7)
KEY = b"k" * 32


def test_nobody_judges_while_a_study_is_paused_and_everybody_after_it(journal: Journal) -> None:
    made = freeze_invented_study()
    item = journal.reserve_next_item(made, "a").item
    assert item is not None
    journal.change_study(made, "paused", "o-1")
    assert journal.change_study(made, "paused", "o-1") is None
    assert journal.reserve_next_item(made, "b").item is None
    with pytest.raises(JournalError, match="the study is paused"):
        journal.record_judgment(judged(item, "a"), made)
    journal.change_study(made, "resumed", "o-1")
    assert journal.reserve_next_item(made, "b").item is not None
    journal.record_judgment(judged(item, "a"), made)
    assert [change.action for change in load_changes(journal, made.name)] == ["paused", "resumed"]
    assert not is_paused(journal, made.name)


def test_a_deadline_moves_to_a_later_day_only(journal: Journal, clock: Clock) -> None:
    made = freeze_invented_study(deadline=DEADLINE)
    for earlier in (DEADLINE, DEADLINE - WEEK):
        with pytest.raises(JournalError, match="choose a later day"):
            journal.change_study(made, "extended", "o-1", earlier)
    journal.change_study(made, "extended", "o-1", DEADLINE + WEEK)
    assert deadline_of(journal, made) == DEADLINE + WEEK
    clock.time = DEADLINE + timedelta(days=1)
    assert journal.over_reason(made) is None
    assert journal.reserve_next_item(made, "a").item is not None
    clock.time = DEADLINE + WEEK
    assert journal.over_reason(made) == "its deadline has passed"


def test_what_cannot_be_changed_is_refused_in_a_sentence(journal: Journal) -> None:
    made = freeze_invented_study()
    with pytest.raises(JournalError, match="no deadline"):
        journal.change_study(made, "extended", "o-1", DEADLINE)
    with pytest.raises(JournalError, match="always open"):
        journal.change_study(build_default_study("m", "r", 8, "offline", CANDIDATES, CREATED), "paused", "o-1")
    journal.close_study(made, "o-1")
    with pytest.raises(JournalError, match="is over"):
        journal.change_study(made, "resumed", "o-1")
    assert load_changes(journal, made.name) == []


def test_a_change_is_never_edited(journal: Journal) -> None:
    journal.change_study(freeze_invented_study(), "paused", "o-1")
    connection = sqlite3.connect(journal.path)
    with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
        connection.execute("UPDATE study_changes SET action = 'resumed'")
    connection.close()


def test_names_are_encrypted_and_go_with_a_withdrawal(journal: Journal) -> None:
    record_name(journal, "a", "Ada Lovelace", KEY)
    record_name(journal, "b", "Grace", KEY)
    record_name(journal, "a", "ada lovelace", KEY)
    record_outcome(journal, "pilot", "a", "completed")
    assert load_names(journal, KEY) == {"a": "ada lovelace", "b": "Grace"}
    assert load_names(journal, b"x" * 32) == {}
    assert b"Grace" not in journal.path.read_bytes()
    journal.withdraw("a")
    assert load_names(journal, KEY) == {"b": "Grace"}
    assert load_outcomes(journal, "pilot") == {}


def test_the_newest_outcome_counts(journal: Journal) -> None:
    for outcome in ("screened_out", "screened_out", "completed"):
        record_outcome(journal, "pilot", "a", outcome)
    assert load_outcomes(journal, "pilot") == {"a": "completed"}
    assert load_outcomes(journal, "other") == {}
