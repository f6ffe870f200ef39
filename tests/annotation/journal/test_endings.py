"""The end of a study: once, for a reason, on record; a clock that leaps or places that are missing end nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from annotation.errors import JournalError
from annotation.journal.journal import Journal
from annotation.journal.migrations import MIGRATIONS
from annotation.study.study import Study, build_default_study
from annotation.types import Ending
from tests.annotation.invented_study import CANDIDATES, CREATED, freeze_invented_study
from tests.annotation.journal.conftest import Clock
from tests.annotation.journal.test_reservations import MINUTE, judged

DEADLINE = CREATED + timedelta(days=1)


class Machine:
    """A machine whose clock a test sets; the seconds since its start go on by themselves."""

    def __init__(self) -> None:
        self.clock, self.seconds = Clock(), 0.0

    def wait(self, time: timedelta) -> None:
        self.clock.time += time
        self.seconds += time.total_seconds()


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def journal(tmp_path: Path, machine: Machine) -> Iterator[Journal]:
    with opened(tmp_path, machine) as journal:
        for person in "abcd":
            journal.record_consent(person, "1")
        yield journal


def opened(folder: Path, machine: Machine) -> Journal:
    return Journal(folder / "journal.sqlite", now=machine.clock, seconds=lambda: machine.seconds)


def answer_all(journal: Journal, study: Study, who: str, *kinds: str) -> None:
    for item in study.order:
        if item.item_kind in kinds:
            journal.record_judgment(judged(item, who), study)


def test_a_closed_study_is_closed_once(journal: Journal, machine: Machine) -> None:
    made = freeze_invented_study()
    assert (journal.study_ending(made), journal.over_reason(made)) == (None, None)
    journal.close_study(made, "o-1")
    machine.wait(MINUTE)
    journal.close_study(made, "o-2")
    assert journal.endings() == {"pilot": Ending("pilot", "closed", "o-1", CREATED)}
    assert (journal.study_ending(made), journal.over_reason(made)) == (
        journal.endings()["pilot"],
        "an organiser closed it",
    )


def test_the_study_of_all_described_heads_cannot_be_closed(journal: Journal) -> None:
    default = build_default_study("m", None, 8, "offline", CANDIDATES, CREATED)
    with pytest.raises(JournalError, match="always open"):
        journal.close_study(default, "o-1")
    assert journal.study_ending(default) is None


@pytest.mark.parametrize("statement", ["UPDATE endings SET reason = 'x'", "DELETE FROM endings"])
def test_an_ending_is_never_changed(journal: Journal, statement: str) -> None:
    journal.close_study(freeze_invented_study(), "o-1")
    with sqlite3.connect(journal.path) as db, pytest.raises(sqlite3.IntegrityError, match="only ever"):
        db.execute(statement)


def test_a_deadline_has_passed_for_good_after_ten_minutes(journal: Journal, machine: Machine) -> None:
    made = freeze_invented_study(deadline=DEADLINE)
    assert journal.study_ending(made) is None
    machine.wait(timedelta(days=1))
    assert (journal.study_ending(made), journal.over_reason(made)) == (None, "its deadline has passed")
    machine.wait(9 * MINUTE)
    assert journal.study_ending(made) is None
    machine.wait(MINUTE)
    assert journal.study_ending(made) == Ending("pilot", "deadline", None, DEADLINE + 10 * MINUTE)
    machine.clock.time = CREATED  # it stays on record whatever the clock says later
    assert journal.study_ending(made) is not None


def test_a_clock_that_leaps_past_the_deadline_ends_nothing(journal: Journal, machine: Machine) -> None:
    made = freeze_invented_study(deadline=DEADLINE)
    for _ in range(3):
        machine.clock.time += timedelta(days=2)
        assert journal.study_ending(made) is None
        machine.wait(6 * MINUTE)
        assert journal.reserve_next_item(made, "a").item is None
        machine.clock.time -= timedelta(days=2)
        assert journal.reserve_next_item(made, "a").item is not None
    assert journal.endings() == {}


def test_a_leap_that_nobody_saw_end_begins_the_ten_minutes_anew(journal: Journal, machine: Machine) -> None:
    made = freeze_invented_study(deadline=DEADLINE)
    machine.clock.time += timedelta(days=2)
    assert journal.study_ending(made) is None
    machine.clock.time -= timedelta(days=2)
    machine.wait(60 * MINUTE)  # nobody looks
    machine.clock.time += timedelta(days=3)
    assert journal.study_ending(made) is None
    machine.wait(10 * MINUTE)
    assert journal.study_ending(made) is not None


def test_ten_minutes_are_those_of_one_process(journal: Journal, machine: Machine, tmp_path: Path) -> None:
    made = freeze_invented_study(deadline=DEADLINE)
    machine.wait(timedelta(days=1))
    assert journal.study_ending(made) is None
    machine.wait(10 * MINUTE)
    with opened(tmp_path, machine) as another:
        assert another.study_ending(made) is None
    assert journal.study_ending(made) is not None


def test_limited_places_alone_do_not_end_a_study_with_overlap(journal: Journal) -> None:
    made = freeze_invented_study(annotators=3)
    for who in "ab":
        answer_all(journal, made, who, "head", "swapped", "shuffled")
    assert journal.study_ending(made) is None
    for who in "ab":
        answer_all(journal, made, who, "overlap")
    assert journal.study_ending(made) is None  # the third is invited, and has not come yet
    assert journal.reserve_next_item(made, "c").item is not None
    answer_all(journal, made, "c", "overlap")
    assert journal.study_ending(made) == Ending("pilot", "complete", None, CREATED)
    assert journal.reserve_next_item(made, "d").item is None


@pytest.mark.parametrize("people", ["", "a", "abcd"])
def test_with_overlap_and_an_unknown_number_of_people_a_study_never_ends_by_itself(
    journal: Journal, people: str
) -> None:
    made = freeze_invented_study(heads=4, overlap=4, swapped=0, shuffled=0)
    for who in people:
        answer_all(journal, made, who, "overlap")
    assert journal.study_ending(made) is None


def test_a_study_without_overlap_ends_with_its_last_place_at_once(journal: Journal) -> None:
    made = freeze_invented_study(overlap=0)
    for who in "ab":
        assert journal.endings() == {}
        answer_all(journal, made, who, "head", "swapped", "shuffled")
    assert journal.reserve_next_item(made, "b").item is None  # what the page does after the last answer
    assert list(journal.endings()) == ["pilot"]
    journal.withdraw("a")  # opens places again, but not the study
    assert journal.reserve_next_item(made, "c").item is None
    assert journal.study_ending(made) is not None


def test_a_journal_without_endings_keeps_what_is_published(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "schema", Journal.schema._replace(migrations=MIGRATIONS[:1]))
        with Journal(tmp_path / "old.sqlite") as old:
            old.record_consent("a", "1")
            old.open_answers("pilot", "o-1")
            old.mark_published("opening", ["pilot"], "c0ffee")
    with Journal(tmp_path / "old.sqlite") as journal:
        assert journal.unpublished_rows().openings == ()
        assert [row.annotator for row in journal.unpublished_rows().consents] == ["a"]
        journal.close_study(freeze_invented_study(), "o-1")
        assert [row.study for row in journal.unpublished_rows().endings] == ["pilot"]
        journal.mark_published("ending", ["pilot"], "c0ffee")
        assert journal.unpublished_rows().endings == ()
