"""The largest filling of places, against hand-made cases and trying everything out."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from annotation.study.max_flow import AnnotatorCapacity, max_fillable_slots, max_fillable_slots_after_taking
from tests.sampling import sampled


def tried_out(places: dict[str, int], people: list[AnnotatorCapacity]) -> int:
    """The same by trying every choice of every person."""
    if not people:
        return 0
    first, rest = people[0], people[1:]
    open_ones = sorted(key for key in first.items if places.get(key, 0) > 0)
    limit = len(open_ones) if first.quota is None else min(first.quota, len(open_ones))
    choices = [chosen for n in range(limit + 1) for chosen in combinations(open_ones, n)]
    return max(len(c) + tried_out({k: n - (k in c) for k, n in places.items()}, rest) for c in choices)


def test_an_item_is_handed_on_where_that_fills_another_place() -> None:
    people = [AnnotatorCapacity(1, {"a", "b"}), AnnotatorCapacity(1, {"a"})]
    assert max_fillable_slots({"a": 1, "b": 1}, people) == 2
    assert max_fillable_slots_after_taking({"a": 1, "b": 1}, people, "a") == 1
    assert max_fillable_slots_after_taking({"a": 1, "b": 1}, people, "b") == 2


def test_nobody_fills_two_places_of_one_item() -> None:
    assert max_fillable_slots({"a": 3}, [AnnotatorCapacity(None, {"a"}), AnnotatorCapacity(5, {"a"})]) == 2
    assert max_fillable_slots({"a": 3}, []) == 0
    assert max_fillable_slots({}, [AnnotatorCapacity(None, set())]) == 0


@pytest.mark.parametrize("seed", sampled(range(200), range(40)))
def test_it_is_the_largest_there_is(seed: int) -> None:
    dice = random.Random(seed)
    keys = "abcd"[: dice.randint(1, 4)]
    places = {key: dice.randint(0, 3) for key in keys}
    people = [
        AnnotatorCapacity(dice.choice([None, 0, 1, 2]), {key for key in keys if dice.random() < 0.6})
        for _ in range(dice.randint(1, 4))
    ]
    assert max_fillable_slots(places, people) == tried_out(places, people)
