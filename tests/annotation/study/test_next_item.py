"""Assignment: one order for everybody, nothing twice, the least judged first, skipped items last, all places filled."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pytest

from annotation.study.next_item import (
    AnnotatorProgress,
    AssignmentState,
    compute_annotator_progress,
    count_subjects,
    select_next_item,
    study_order,
)
from annotation.types import ItemKind, StudyItem
from tests.sampling import sampled

ITEMS = [StudyItem("default", "m", layer, head, "head", "h", "d") for layer in range(4) for head in range(3)]


@dataclass(frozen=True)
class Limits:
    per_item: int | None = None
    per_annotator: int | None = None
    per_operation: bool = False


OPEN = Limits()


def made(layer: int, kind: ItemKind = "head", head: int = 0) -> StudyItem:
    return StudyItem("s", "m", layer, head, kind, "h", "d")


def next_open(order: Sequence[StudyItem], judged: Collection[str], skipped: Sequence[str]) -> StudyItem | None:
    return select_next_item(order, OPEN, AssignmentState({}, judged, skipped))


def test_the_order_depends_on_the_seed_and_not_on_the_input() -> None:
    order = study_order(ITEMS, seed=0)
    assert study_order(reversed(ITEMS), seed=0) == order
    assert sorted(order, key=ITEMS.index) == ITEMS
    assert order != ITEMS
    assert study_order(ITEMS, seed=1) != order


def test_the_order_is_the_same_in_every_release() -> None:
    assert [(item.layer, item.head) for item in study_order(ITEMS, seed=0)[:4]] == [(1, 2), (2, 2), (0, 2), (0, 0)]


def test_an_added_item_moves_no_other() -> None:
    order = study_order(ITEMS[:-1], seed=3)
    assert [item for item in study_order(ITEMS, seed=3) if item != ITEMS[-1]] == order


def test_an_annotator_never_sees_an_item_twice() -> None:
    order = study_order(ITEMS, seed=0)
    judged: list[str] = []
    while (item := next_open(order, judged, [])) is not None:
        judged.append(item.key)
    assert judged == [item.key for item in order]


def test_skipped_items_come_back_at_the_end_the_longest_skipped_first() -> None:
    a, b, c = order = study_order(ITEMS[:3], seed=0)
    assert next_open(order, [], [a.key]) == b
    assert next_open(order, [c.key], [b.key, a.key]) == b
    assert next_open(order, [c.key], [b.key, a.key, b.key]) == a
    assert next_open(order, [a.key, b.key, c.key], [a.key]) is None
    assert next_open([], [], []) is None


def test_another_description_makes_another_item_of_which_one_person_judges_one() -> None:
    changed = StudyItem("default", "m", 0, 0, "head", "h", "d2")
    assert next_open([changed], [ITEMS[0].key], []) == changed


def test_the_least_judged_item_comes_first_and_a_full_one_never() -> None:
    a, b, c, d = order = [made(layer) for layer in range(4)]
    now = AssignmentState({a.key: 2, b.key: 1, c.key: 3, d.key: 1}, [])
    assert select_next_item(order, Limits(3), now) == b
    assert select_next_item(order, Limits(3), replace(now, skipped_keys=[b.key])) == d
    assert select_next_item(order, Limits(3), replace(now, judged_keys=[b.key, d.key])) == a
    assert select_next_item(order, Limits(3), replace(now, judged_keys=[a.key, b.key, d.key])) is None
    assert select_next_item(order, Limits(3), replace(now, closed_keys=[b.key])) == d


def test_a_head_and_its_control_are_never_judged_by_one_person() -> None:
    true, control, other = order = [made(0), made(0, "swapped"), made(1)]
    assert select_next_item(order, Limits(3), AssignmentState({}, [true.key])) == other
    assert select_next_item(order, Limits(3), AssignmentState({}, [control.key, other.key])) is None


def test_one_person_judges_every_operation_of_a_head_and_no_operation_with_its_control() -> None:
    one, other = (StudyItem("s", "m", 0, 0, "head", f"h{number}", f"d{number}") for number in (1, 2))
    control = replace(one, item_kind="swapped", description_id="d2")
    order = [one, other, control]
    limits = Limits(3, per_operation=True)
    assert select_next_item(order, limits, AssignmentState({}, [one.key])) == other
    assert select_next_item(order, limits, AssignmentState({}, [one.key, other.key])) is None
    assert select_next_item(order, limits, AssignmentState({}, [control.key])) == other
    assert count_subjects(order, limits) == 2
    assert count_subjects(order, Limits(3)) == 1


def test_nobody_is_asked_for_more_than_their_share() -> None:
    order = [made(layer) for layer in range(4)]
    assert select_next_item(order, Limits(3, 2), AssignmentState({}, [order[0].key])) == order[1]
    assert select_next_item(order, Limits(3, 2), AssignmentState({}, [order[0].key, order[1].key])) is None
    assert select_next_item(order, Limits(3, 2), AssignmentState({}, ["of another study", order[0].key])) == order[1]


@pytest.mark.parametrize(("share", "places"), [(20, [0, 5, 10, 15]), (10, [0, 3, 5, 8]), (5, [0, 2, 3, 4])])
def test_the_overlap_is_spread_over_a_persons_work(share: int, places: list[int]) -> None:
    order = [made(layer) for layer in range(40)] + [made(layer, "overlap") for layer in range(40, 44)]
    mine: list[str] = []
    kinds = []
    while (
        item := select_next_item(order, Limits(3, share), AssignmentState(dict.fromkeys(mine, 0), mine))
    ) is not None:
        mine.append(item.key)
        kinds.append(item.item_kind)
    assert len(kinds) == share
    assert [at for at, kind in enumerate(kinds) if kind == "overlap"] == places


def test_overlap_items_have_no_limit_and_are_not_lost_by_skipping() -> None:
    order = [made(0, "overlap"), made(1, "overlap"), *(made(layer) for layer in range(2, 8))]
    crowd = dict.fromkeys((item.key for item in order[:2]), 50)
    skipped = [item.key for item in order[:2]]
    mine: list[str] = []
    while (item := select_next_item(order, Limits(3, 4), AssignmentState(crowd, mine, skipped))) is not None:
        mine.append(item.key)
    assert mine == [item.key for item in (*order[2:4], *order[:2])]


def test_the_last_places_are_given_so_that_they_can_all_be_filled() -> None:
    a, b, full = order = [made(0), made(1), made(2)]
    now = AssignmentState({a.key: 1, b.key: 1, full.key: 2}, [full.key], keys_of_others=[[b.key], [a.key, full.key]])
    assert select_next_item(order, Limits(2, 2), now) == b  # a is all that the person who has judged b can still take
    assert select_next_item(order, Limits(2, 2), replace(now, keys_of_others=[[a.key], [b.key, full.key]])) == a


def simulated(people: int, share: int, items: int, wanted: int, seed: int, eager: float) -> Counter[str]:
    """Judgments an item after people took and finished items in a random order, some far more often than others."""
    order = study_order((made(layer) for layer in range(items)), seed)
    dice = random.Random(seed)
    weights = [dice.random() ** eager for _ in range(people)]
    held: list[list[str]] = [[] for _ in range(people)]
    judged: list[list[str]] = [[] for _ in range(people)]
    busy = set(range(people))
    counts: Counter[str] = Counter()
    while busy:
        [one] = dice.choices(sorted(busy), [weights[n] for n in sorted(busy)])
        if len(held[one]) > len(judged[one]):  # what was reserved is submitted
            judged[one].append(held[one][-1])
            continue
        others = [held[n] for n in range(people) if n != one and held[n]]
        item = select_next_item(order, Limits(wanted, share), AssignmentState(counts, held[one], keys_of_others=others))
        if item is None:
            busy.remove(one)
        else:
            counts[item.key] += 1
            held[one].append(item.key)
    assert all(len(set(keys)) == len(keys) for keys in judged)
    return counts


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_studies_whose_places_just_suffice_are_filled_exactly(seed: int) -> None:
    assert set(simulated(people=32, share=100, items=200, wanted=16, seed=seed, eager=seed % 5).values()) == {16}


@pytest.mark.parametrize("seed", sampled(range(100), range(40)))
def test_small_studies_whose_places_just_suffice_are_filled_exactly(seed: int) -> None:
    counts = simulated(people=6, share=10, items=15, wanted=4, seed=seed, eager=seed % 5)
    assert set(counts.values()) == {4}
    assert len(counts) == 15


def test_progress_counts_this_order_and_estimates_from_the_median() -> None:
    assert compute_annotator_progress(0, 12) == AnnotatorProgress(0, 12, None)
    assert compute_annotator_progress(2, 12, [30.0, 60.0, 3600.0]) == AnnotatorProgress(2, 12, 10.0)
