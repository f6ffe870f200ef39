"""What the journal refuses, whatever a page or a script sends: the rules of a study hold where answers are stored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from annotation.errors import JournalError
from annotation.journal.journal import Journal
from annotation.study.practice import load_practice_examples
from annotation.study.study import Study
from annotation.types import StudyItem
from tests.annotation.invented_study import CANDIDATES, CREATED, freeze_invented_study
from tests.annotation.journal.conftest import Clock
from tests.annotation.journal.test_reservations import MINUTE, judged, taken

LIMIT = "one person judges at most 2 items in this study"
HEAD = "you have judged this head before"
ALL_HEADS: dict[str, object] = {
    "heads": 32,
    "overlap": 2,
    "swapped": 3,
    "shuffled": 3,
}  # so controls are of sampled heads


def head_and_control(study: Study) -> tuple[StudyItem, StudyItem]:
    """A sampled head and a control of it."""
    for control in study.order:
        if control.item_kind in ("swapped", "shuffled"):
            for item in study.order:
                if (item.layer, item.head, item.item_kind) == (control.layer, control.head, "head"):
                    return item, control
    raise AssertionError("no control is of a sampled head")


def test_nobody_stores_more_answers_than_one_person_may_give(journal: Journal) -> None:
    made = freeze_invented_study(overlap=0, per_annotator=2)
    first, second, third, fourth = made.order[:4]
    for item in (first, second):
        journal.record_judgment(judged(item, "a"), made)
    reserved = journal.reserve_next_item(made, "b", preferred_key=fourth.key).item
    assert reserved == fourth
    for item in (third, fourth):
        with pytest.raises(JournalError, match=LIMIT):
            journal.record_judgment(judged(item, "a"), made)
    assert len(journal.all_judgments()) == 2


def test_a_reservation_helps_nobody_past_the_limit_for_one_person(journal: Journal) -> None:
    """The item is reserved first, in another tab; then the limit is used up by items that nobody reserved."""
    made = freeze_invented_study(overlap=0, per_annotator=2)
    held = taken(journal, made, "a")
    others = [item for item in made.order if item != held][:2]
    for item in others:
        journal.record_judgment(judged(item, "a"), made)
    assert journal.renew_reservation("pilot", held.key, "a")
    with pytest.raises(JournalError, match=LIMIT):
        journal.record_judgment(judged(held, "a"), made)
    assert journal.reserve_next_item(made, "a").item is None
    assert journal.reserve_next_item(made, "a", preferred_key=held.key).item is None


def test_changes_examples_and_decisions_are_no_further_answers(journal: Journal) -> None:
    made = freeze_invented_study(overlap=0, per_annotator=2)
    for example in load_practice_examples("pilot"):
        journal.record_judgment(judged(example.item, "a"), made)
    first, second = made.order[:2]
    for item in (first, second):
        journal.record_judgment(judged(item, "a"), made)
    journal.record_judgment(judged(first, "a", judged(first, "a").judgment_id), made)
    journal.record_judgment(judged(replace(first, item_kind="adjudication"), "a"), made)
    assert len(journal.all_judgments()) == 7 + 2 + 2


def test_many_tabs_at_once_stay_within_the_limit_for_one_person(journal: Journal) -> None:
    made = freeze_invented_study(overlap=0, per_annotator=2)

    def attempt(item: StudyItem) -> str:
        try:
            return journal.record_judgment(judged(item, "a"), made).judgment_id
        except JournalError as error:
            return str(error)

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(attempt, made.order))
    assert sum(LIMIT in result for result in results) == len(made.order) - 2
    assert len(journal.all_judgments()) == 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_nobody_stores_a_head_and_its_control(journal: Journal, order: tuple[int, int]) -> None:
    made = freeze_invented_study(CANDIDATES, **ALL_HEADS)
    pair = head_and_control(made)
    first, second = pair[order[0]], pair[order[1]]
    assert journal.reserve_next_item(made, "a", preferred_key=second.key).item == second  # and a reservation
    journal.record_judgment(judged(first, "a"), made)
    with pytest.raises(JournalError, match=HEAD):
        journal.record_judgment(judged(second, "a"), made)
    journal.record_judgment(judged(second, "b"), made)
    assert [row.annotator for row in journal.all_judgments()] == ["a", "b"]


def test_nobody_is_given_a_head_and_its_control_by_skipping(journal: Journal, clock: Clock) -> None:
    """Side by side they tell which is the control: the same mappings with another description, or the reverse."""
    made = freeze_invented_study(CANDIDATES, **ALL_HEADS)
    seen: list[StudyItem] = []
    while (item := journal.reserve_next_item(made, "a", skipped_keys=[each.key for each in seen]).item) not in seen:
        assert item is not None
        seen.append(item)
        clock.time += 40 * MINUTE
    heads = [(each.layer, each.head) for each in seen]
    assert len(heads) == len(set(heads)) == 32
    for unseen in set(made.order) - set(seen):
        assert journal.reserve_next_item(made, "a", preferred_key=unseen.key).item in seen


def test_a_stale_item_is_refused_with_a_reservation_and_without(journal: Journal) -> None:
    made = freeze_invented_study()
    held, other = taken(journal, made, "a"), made.order[-1]
    stale = {held.key, other.key}
    for item in (held, other):
        with pytest.raises(JournalError, match="nobody judges this item any more"):
            journal.record_judgment(judged(item, "a"), made, stale)
    assert journal.all_judgments() == []
    journal.record_judgment(judged(replace(held, item_kind="adjudication"), "b"), made, stale)
    journal.record_judgment(judged(held, "a"), made, {other.key})


@pytest.mark.parametrize("how", ["closed", "deadline"])
def test_nothing_but_decisions_is_stored_after_the_end(journal: Journal, clock: Clock, how: str) -> None:
    made = freeze_invented_study(deadline=CREATED + timedelta(hours=1))
    first = taken(journal, made, "a")
    journal.record_judgment(judged(first, "a"), made)
    held = taken(journal, made, "a")
    if how == "closed":
        journal.close_study(made, "o-1")
        because = "the study is over, because an organiser closed it"
    else:
        clock.time += timedelta(hours=1)
        because = "the study is over, because its deadline has passed"
    change = judged(first, "a", judged(first, "a").judgment_id)
    example = load_practice_examples("pilot")[0].item
    for late in (judged(held, "a"), judged(held, "b"), judged(example, "b"), change):
        with pytest.raises(JournalError, match=because):
            journal.record_judgment(late, made)
    assert journal.reserve_next_item(made, "a").item is None
    assert len(journal.all_judgments()) == 1
    journal.record_judgment(judged(replace(first, item_kind="adjudication"), "b"), made)
    assert journal.record_judgment(judged(first, "a"), made).is_duplicate  # its receipt was lost on the way
