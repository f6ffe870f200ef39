"""Reservations: the same item for the same person, no item more often than asked, no place lost to an abandoned tab."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from annotation import form
from annotation.errors import JournalError
from annotation.form import Answers
from annotation.journal.journal import Journal
from annotation.study.practice import load_practice_examples
from annotation.study.store import save_study
from annotation.study.study import Study
from annotation.types import Judgment, StudyItem
from tests.annotation.invented_study import CREATED, freeze_invented_study
from tests.annotation.journal.conftest import Clock

ROOT = Path(__file__).parents[3]
MINUTE = timedelta(minutes=1)
FULL = "others judged this item in the meantime, so it needs no more judgments"


def judged(item: StudyItem, who: str, supersedes: str | None = None) -> Judgment:
    return form.build_judgment(
        item,
        Answers("absent_none", None, None, ""),
        judgment_id=f"{who} {item.key}"[:90] + (" again" if supersedes else ""),
        annotator=who,
        started_at=CREATED,
        submitted_at=CREATED,
        supersedes=supersedes,
        app_version="0",
    )


def taken(journal: Journal, made: Study, who: str) -> StudyItem:
    item = journal.reserve_next_item(made, who).item
    assert item is not None
    return item


SMALL = freeze_invented_study(heads=2, overlap=0, swapped=0, shuffled=0, per_item=1)
WITH_FIRST_ANSWERS = freeze_invented_study(heads=10, overlap=0, swapped=0, shuffled=0, per_item=1)


def with_two_items_left(journal: Journal) -> Study:
    """A study in which each of the eight people has answered once, so nobody is a newcomer."""
    for who in "abcdefgh":
        journal.record_judgment(judged(taken(journal, WITH_FIRST_ANSWERS, who), who), WITH_FIRST_ANSWERS)
    return WITH_FIRST_ANSWERS


def test_somebody_who_comes_back_gets_the_same_item_on_any_device(journal: Journal, clock: Clock) -> None:
    made = freeze_invented_study()
    journal.record_judgment(judged(taken(journal, made, "a"), "a"), made)
    first = taken(journal, made, "a")
    clock.time += 10 * MINUTE
    with Journal(journal.path, now=clock) as another_process:
        assert taken(another_process, made, "a") == first
    clock.time += 25 * MINUTE  # the second call began the 30 minutes anew
    assert taken(journal, made, "a") == first
    assert journal.slot_holders(made).reserved_by == {first.key: {"a"}}


def test_people_at_work_get_different_items_and_then_none(journal: Journal) -> None:
    made = with_two_items_left(journal)
    assert len({taken(journal, made, who) for who in "ab"}) == 2
    assert journal.reserve_next_item(made, "c").item is None


def test_an_abandoned_item_is_free_after_thirty_minutes_unless_renewed(journal: Journal, clock: Clock) -> None:
    made = with_two_items_left(journal)
    a, b = taken(journal, made, "a"), taken(journal, made, "b")
    clock.time += 29 * MINUTE
    assert journal.renew_reservation("pilot", b.key, "b")
    assert journal.reserve_next_item(made, "c").item is None
    clock.time += 1 * MINUTE
    assert journal.reserve_next_item(made, "c").item == a
    assert not journal.renew_reservation("pilot", a.key, "a")
    with pytest.raises(JournalError, match=FULL):
        journal.record_judgment(judged(a, "a"), made)
    assert len(journal.all_judgments()) == 8
    journal.record_judgment(judged(b, "b"), made)
    journal.record_judgment(judged(a, "c"), made)
    judged_by = journal.slot_holders(made).judged_by
    assert (judged_by[a.key], judged_by[b.key]) == ({"c"}, {"b"})
    assert journal.slot_holders(made).reserved_by == {}


def test_an_answer_after_an_expired_reservation_counts_while_there_is_a_place(journal: Journal, clock: Clock) -> None:
    item = taken(journal, SMALL, "a")
    clock.time += 45 * MINUTE
    assert not journal.record_judgment(judged(item, "a"), SMALL).is_duplicate
    assert taken(journal, SMALL, "b") != item


def test_a_clock_put_back_neither_frees_nor_doubles_nor_blocks_a_place(journal: Journal, clock: Clock) -> None:
    made = with_two_items_left(journal)
    clock.time += timedelta(days=1)
    a, b = taken(journal, made, "a"), taken(journal, made, "b")
    clock.time -= timedelta(days=1)
    assert journal.reserve_next_item(made, "c").item is None
    assert (taken(journal, made, "a"), taken(journal, made, "b")) == (a, b)
    clock.time += 31 * MINUTE
    assert taken(journal, made, "c") in (a, b)


def test_a_place_that_a_leaping_clock_gave_away_does_not_come_back_to_life(journal: Journal, clock: Clock) -> None:
    a, _ = taken(journal, SMALL, "a"), taken(journal, SMALL, "b")
    clock.time += timedelta(days=1)
    assert taken(journal, SMALL, "c") == a
    clock.time -= timedelta(days=1)
    assert journal.slot_holders(SMALL).reserved_by[a.key] == {"c"}
    with pytest.raises(JournalError, match=FULL):
        journal.record_judgment(judged(a, "a"), SMALL)
    journal.record_judgment(judged(a, "c"), SMALL)


def test_a_skipped_item_is_set_free_and_comes_back_last(journal: Journal) -> None:
    first = taken(journal, SMALL, "a")
    second = journal.reserve_next_item(SMALL, "a", skipped_keys=[first.key]).item
    assert second not in (None, first)
    assert taken(journal, SMALL, "b") == first
    journal.release_reservation("pilot", first.key, "b")
    assert journal.reserve_next_item(SMALL, "a", skipped_keys=[second.key] if second else []).item == first


def test_a_wanted_item_is_given_where_it_is_open_to_the_person(journal: Journal) -> None:
    made = freeze_invented_study(per_item=1)
    wanted = made.order[9]
    assert journal.reserve_next_item(made, "a", preferred_key=wanted.key).item == wanted
    assert journal.slot_holders(made).reserved_by == {wanted.key: {"a"}}
    assert (
        journal.reserve_next_item(made, "b", preferred_key=wanted.key).item not in (None, wanted)
        or wanted.item_kind == "overlap"
    )
    assert journal.reserve_next_item(made, "a", preferred_key="no item").item == wanted


WIDE = freeze_invented_study(per_item=9)


def test_only_judgments_that_are_new_are_read(journal: Journal) -> None:
    for who in "ab":
        journal.record_judgment(judged(WIDE.order[0], who), WIDE)
    assert journal.slot_holders(WIDE).judged_by == {WIDE.order[0].key: {"a", "b"}}
    journal.record_judgment(judged(WIDE.order[1], "b"), WIDE)
    asked: list[str] = []
    journal._connection.set_trace_callback(asked.append)
    assert journal.slot_holders(WIDE).judged_by[WIDE.order[1].key] == {"b"}
    journal.slot_holders(WIDE)
    journal._connection.set_trace_callback(None)
    [reading] = [query for query in asked if "supersedes IS NULL" in query]
    assert "position > 2" in reading
    assert journal.select(f"EXPLAIN QUERY PLAN {reading}")[0]["detail"] == (
        "SEARCH judgments USING INTEGER PRIMARY KEY (rowid>?)"
    )


def test_answers_of_somebody_who_withdraws_are_counted_no_more(journal: Journal) -> None:
    for who in "ab":
        journal.record_judgment(judged(WIDE.order[0], who), WIDE)
    assert journal.slot_holders(WIDE).judged_by == {WIDE.order[0].key: {"a", "b"}}
    journal.withdraw("a")
    assert journal.slot_holders(WIDE).judged_by == {WIDE.order[0].key: {"b"}}


def test_a_second_process_sees_what_the_first_stored(journal: Journal) -> None:
    with Journal(journal.path) as other:
        assert other.slot_holders(WIDE).judged_by == {}
        journal.record_judgment(judged(WIDE.order[0], "a"), WIDE)
        assert other.slot_holders(WIDE).judged_by == {WIDE.order[0].key: {"a"}}


def test_a_claim_tells_how_many_heads_were_open(journal: Journal) -> None:
    made = with_two_items_left(journal)
    a = journal.reserve_next_item(made, "a")
    assert (a.item is None, a.available_heads) == (False, 2)
    assert journal.reserve_next_item(made, "b", preferred_key=a.item.key if a.item else None).available_heads == 1
    assert journal.reserve_next_item(made, "c").available_heads == 0
    assert (
        journal.reserve_next_item(
            replace(SMALL, settings=replace(SMALL.settings, deadline=CREATED)), "a"
        ).available_heads
        == 0
    )


def test_items_that_are_closed_are_given_to_nobody(journal: Journal) -> None:
    a, b = SMALL.order
    assert journal.reserve_next_item(SMALL, "a", closed_keys=[a.key]).item == b
    assert journal.reserve_next_item(SMALL, "a", closed_keys=[a.key, b.key]).item is None
    assert journal.slot_holders(SMALL).reserved_by == {}


def test_an_answer_to_no_item_of_the_study_is_refused(journal: Journal) -> None:
    item = replace(SMALL.order[0], head=99)
    for stray in (item, replace(SMALL.order[0], study="other")):
        with pytest.raises(JournalError, match="the study does not contain this item"):
            journal.record_judgment(judged(stray, "a"), SMALL)
    assert journal.all_judgments() == []


def test_practice_adjudication_and_changed_answers_take_no_place(journal: Journal) -> None:
    item = taken(journal, SMALL, "a")
    journal.record_judgment(judged(item, "a"), SMALL)
    journal.record_judgment(judged(item, "a", judged(item, "a").judgment_id), SMALL)
    for other in (load_practice_examples("pilot")[0].item, replace(item, item_kind="adjudication")):
        journal.record_judgment(judged(other, "b"), SMALL)
    assert journal.slot_holders(SMALL).judged_by == {item.key: {"a"}}


def test_what_was_acknowledged_before_is_stored_whatever_became_of_its_place(journal: Journal) -> None:
    item = taken(journal, SMALL, "a")
    journal.record_judgment(judged(item, "a"), SMALL)
    assert not journal.record_judgment(
        judged(item, "b")
    ).is_duplicate  # sent again after a disk was lost: without the study
    assert journal.slot_holders(SMALL).judged_by == {item.key: {"a", "b"}}


def test_a_place_is_kept_only_for_who_consented(journal: Journal) -> None:
    with pytest.raises(JournalError, match="Please agree to the consent sentence"):
        journal.reserve_next_item(SMALL, "nobody")


def test_threads_never_hold_more_places_than_there_are(journal: Journal) -> None:
    made = freeze_invented_study(heads=10, overlap=0, swapped=3, shuffled=3, per_item=3)

    def work(who: str) -> list[str]:
        done = []
        while (item := journal.reserve_next_item(made, who).item) is not None:
            journal.record_judgment(judged(item, who), made)
            done.append(item.key)
        return done

    with ThreadPoolExecutor(8) as threads:
        found = [key for done in threads.map(work, "abcdefgh") for key in done]
    assert Counter(found) == dict.fromkeys(made.item_by_key, 3)
    assert len(journal.all_judgments()) == 3 * len(made.order)


def test_two_processes_never_give_more_judgments_than_were_asked_for(tmp_path: Path) -> None:
    made = freeze_invented_study(heads=12, overlap=2, swapped=2, shuffled=2, per_item=2)
    save_study(made, tmp_path)
    script = """
import sys
from pathlib import Path
from annotation.journal.journal import Journal
from annotation.study.store import load_studies
from tests.annotation.journal.test_reservations import judged
made, who = load_studies(Path(sys.argv[1]))["pilot"], sys.argv[2]
sys.stdin.readline()
with Journal(Path(sys.argv[1]) / "journal.sqlite") as journal:
    for one in who:
        journal.record_consent(one, "1")
    busy = list(who)
    while busy:
        one = busy.pop(0)
        item = journal.reserve_next_item(made, one).item
        if item is not None:
            journal.record_judgment(judged(item, one), made)
            busy.append(one)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    children = [
        subprocess.Popen([*command, who], cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for who in ("abc", "def")
    ]
    assert [child.communicate("go\n", timeout=60)[1] for child in children] == ["", ""]
    with Journal(tmp_path / "journal.sqlite") as journal:
        places = journal.slot_holders(made)
    counts = {key: len(people) for key, people in places.judged_by.items()}
    assert counts == {item.key: 6 if item.item_kind == "overlap" else 2 for item in made.order}
    assert places.reserved_by == {}


@pytest.mark.parametrize("seed", range(4))
def test_places_that_just_suffice_are_filled_exactly(journal: Journal, seed: int) -> None:
    made = freeze_invented_study(heads=16, overlap=0, swapped=2, shuffled=2, per_item=4, per_annotator=10, seed=seed)
    busy, dice = list("abcdefgh"), random.Random(seed)
    while busy:
        who = dice.choice(busy)
        item = journal.reserve_next_item(made, who).item
        if item is None:
            busy.remove(who)
        else:
            journal.record_judgment(judged(item, who), made)
    assert {key: len(people) for key, people in journal.slot_holders(made).judged_by.items()} == dict.fromkeys(
        made.item_by_key, 4
    )


@pytest.mark.parametrize("seed", range(5))
def test_people_who_come_and_go_fill_every_place_exactly_once(journal: Journal, clock: Clock, seed: int) -> None:
    """Half of the claims are abandoned at first; after they have expired somebody fills each place."""
    made, dice = freeze_invented_study(heads=8, overlap=2, swapped=1, shuffled=1, per_item=3), random.Random(seed)
    busy = list("abcdefgh")
    while busy:
        who = dice.choice(busy)
        item = journal.reserve_next_item(made, who).item
        clock.time += timedelta(minutes=dice.random() * 4)
        if item is None and not journal.slot_holders(made).reserved_by:
            busy.remove(who)
        elif item is not None and dice.random() < 0.5:
            journal.record_judgment(judged(item, who), made)
    counts = {key: len(people) for key, people in journal.slot_holders(made).judged_by.items()}
    assert counts == {item.key: 8 if item.item_kind == "overlap" else 3 for item in made.order}
