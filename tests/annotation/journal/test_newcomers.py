"""Names cost nothing: those that never answered keep no place from anybody who does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from annotation.errors import JournalError
from annotation.journal.journal import Journal
from annotation.study.practice import load_practice_examples
from annotation.study.study import Study
from annotation.types import StudyItem
from tests.annotation.invented_study import freeze_invented_study
from tests.annotation.journal.conftest import Clock
from tests.annotation.journal.test_reservations import FULL, MINUTE, judged, taken

INVENTED = [f"invented-{number}" for number in range(276)]
STUDY = freeze_invented_study(heads=20, overlap=0, swapped=0, shuffled=0, per_item=2)


@pytest.fixture
def people() -> Iterable[str]:
    return ("a", "b", "c", "honest", *INVENTED)


def judge_all_but(journal: Journal, study: Study, items_left: int) -> list[StudyItem]:
    """Two people judge the study but for some items, the last in the order; returns these."""
    done = len(study.order) - items_left
    for who in "ab":
        for item in study.order[:done]:
            journal.record_judgment(judged(item, who), study)
    return list(study.order[done:])


@pytest.mark.parametrize("items_left", [1, 3, 6])
def test_276_invented_people_leave_an_honest_newcomer_an_item_near_the_end(
    journal: Journal, clock: Clock, items_left: int
) -> None:
    left = judge_all_but(journal, STUDY, items_left)
    for number, name in enumerate(INVENTED):
        assert taken(journal, STUDY, name) in left
        if number % 40 == 39:
            clock.time += MINUTE
    for name in ("honest", "c"):
        item = taken(journal, STUDY, name)
        journal.record_judgment(judged(item, name), STUDY)
    given = [row for row in journal.all_judgments() if row.annotator in ("honest", "c")]
    assert len(given) == 2


def test_whoever_has_answered_is_not_held_up_by_invented_people(journal: Journal) -> None:
    left = judge_all_but(journal, STUDY, 4)
    for name in INVENTED:
        taken(journal, STUDY, name)
    for _ in left:
        journal.record_judgment(judged(taken(journal, STUDY, "a"), "a"), STUDY)
    assert journal.reserve_next_item(STUDY, "a").item is None


def test_only_the_newest_reservations_of_newcomers_count(journal: Journal, clock: Clock) -> None:
    """Of 40 places, 20 newcomers take 8, so that the next person still finds 12 items untouched."""
    one_each = freeze_invented_study(heads=20, overlap=0, swapped=0, shuffled=0, per_item=1)
    held = []
    for name in INVENTED[:20]:
        held.append(taken(journal, one_each, name))
        clock.time += timedelta(seconds=1)
    assert len(set(held[:9])) == 9
    assert journal.reserve_next_item(one_each, "honest").available_heads == 12
    counted = {key for key, people in journal.slot_holders(one_each).against("honest").reserved_by.items()}
    assert counted == {item.key for item in held[-8:]} | {taken(journal, one_each, "honest").key}


def test_the_answer_that_is_first_on_disk_counts_and_the_other_is_refused_in_words(journal: Journal) -> None:
    (left,) = judge_all_but(journal, STUDY, 1)
    journal.record_judgment(judged(left, "a"), STUDY)
    assert {taken(journal, STUDY, who) for who in ("honest", "c")} == {left}
    journal.record_judgment(judged(left, "c"), STUDY)
    with pytest.raises(JournalError, match=FULL):
        journal.record_judgment(judged(left, "honest"), STUDY)
    assert [row.annotator for row in journal.all_judgments() if row.item == left] == ["a", "c"]


def test_a_newcomer_keeps_an_item_for_ten_minutes_and_thirty_in_all_while_active(
    journal: Journal, clock: Clock
) -> None:
    item = taken(journal, STUDY, "honest")
    for _ in range(3):
        clock.time += 9 * MINUTE
        assert journal.renew_reservation("pilot", item.key, "honest")
        assert taken(journal, STUDY, "honest") == item  # a reload does not begin anew
    clock.time += 3 * MINUTE
    assert not journal.renew_reservation("pilot", item.key, "honest")
    idle = taken(journal, STUDY, "c")
    clock.time += 10 * MINUTE
    assert not journal.renew_reservation("pilot", idle.key, "c")


def test_worked_examples_are_no_answers_but_one_answer_is_enough(journal: Journal, clock: Clock) -> None:
    for example in load_practice_examples("pilot"):
        journal.record_judgment(judged(example.item, "honest"), STUDY)
    item = taken(journal, STUDY, "honest")
    assert journal.slot_holders(STUDY).newcomers == ("honest",)
    journal.record_judgment(judged(item, "honest"), STUDY)
    second = taken(journal, STUDY, "honest")
    assert journal.slot_holders(STUDY).newcomers == ()
    clock.time += 29 * MINUTE
    assert journal.renew_reservation("pilot", second.key, "honest")
