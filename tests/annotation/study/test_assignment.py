"""The index gives the item that looking at everything would give, whatever was judged, reserved, skipped and closed."""

from __future__ import annotations

import random

import pytest

from annotation.study.assignment import AssignmentIndex, ItemRequest
from annotation.study.next_item import (
    AssignmentState,
    count_subjects,
    list_available_items,
    list_offered_items,
    select_next_item,
)
from annotation.study.study import Study
from annotation.types import StudyItem
from tests.annotation.invented_study import freeze_invented_study
from tests.sampling import sampled

PEOPLE = [f"a-{n}" for n in range(7)]
Holders = dict[str, set[str]]


def plain_choice(study: Study, judged: Holders, reserved: Holders, asked: ItemRequest) -> tuple[StudyItem | None, int]:
    """The choice by its definition, from everything."""
    who = asked.annotator
    mine = {key for key, people in judged.items() if who in people}
    people = set().union(*judged.values(), *reserved.values()) - {who}
    others = [{key for each in (judged, reserved) for key in each if one in each[key]} for one in sorted(people)]
    taken = {
        item.key: len((judged.get(item.key, set()) | reserved.get(item.key, set())) - {who}) + (item.key in mine)
        for item in study.order
    }
    state = AssignmentState(taken, mine, asked.skipped_keys, others, asked.closed_keys, asked.given_keys)
    own = [key for key, people in reserved.items() if who in people and key not in asked.skipped_keys]
    offered = {item.key: item for item in list_offered_items(study.order, study.settings, state)}
    item = next((offered[key] for key in (asked.preferred_key, *own) if key in offered), None)
    item = item or select_next_item(study.order, study.settings, state)
    return item, count_subjects(list_available_items(study.order, study.settings, state), study.settings)


def random_study(dice: random.Random) -> Study:
    return freeze_invented_study(
        heads=dice.choice((4, 8, 12)),
        overlap=dice.choice((0, 2)),
        swapped=dice.choice((0, 3)),
        shuffled=dice.choice((0, 2)),
        per_item=dice.choice((1, 2, 3, 5)),
        per_annotator=dice.choice((None, 4, 9)),
        seed=dice.randrange(100),
    )


@pytest.mark.parametrize("seed", sampled(range(200), range(40)))
def test_the_index_chooses_as_the_definition_does(seed: int) -> None:
    dice = random.Random(seed)
    study = random_study(dice)
    index, keys = AssignmentIndex(study), [item.key for item in study.order]
    judged: Holders = {}
    reserved: Holders = {}
    skipped: dict[str, list[str]] = {who: [] for who in PEOPLE}
    given: dict[str, set[str]] = {who: set() for who in PEOPLE}
    closed = set(dice.sample(keys, dice.choice((0, 0, 2))))
    for _ in range(60):
        who = dice.choice(PEOPLE)
        preferred = dice.choice((None, None, dice.choice(keys)))
        asked = ItemRequest(who, tuple(skipped[who]), preferred, closed, given[who])
        item, available = index.choose(reserved, asked)
        assert (item, available) == plain_choice(study, judged, reserved, asked)
        for people in reserved.values():
            people.discard(who)
        reserved = {key: people for key, people in reserved.items() if people}
        if item is None:
            continue
        given[who].add(item.key)
        if dice.random() < 0.3:
            reserved.setdefault(item.key, set()).add(who)
        elif dice.random() < 0.2:
            skipped[who].append(item.key)
        else:
            judged.setdefault(item.key, set()).add(who)
            index.add(item.key, who)
            index.add(item.key, who)  # a row that is read twice counts once
    assert {key: people for key, people in index.judged_by.items() if people} == judged
