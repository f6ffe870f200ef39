"""Which items need a decision, in which order, and where the decision is kept."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from statistics import fmean

import pytest

from annotation.statistics.disagreement import answer_distance, find_disagreements, mean_distance
from annotation.types import Judgment, adjudication_item

Judge = Callable[..., Judgment]
NOTHING: dict[str, object] = {"presence": "absent_none", "precision": None, "category": None}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0),
        ({"comment": "other words"}, 0),
        ({"precision": "poor"}, 1 / 3),
        ({"category": "general"}, 1 / 3),
        ({"precision": "poor", "category": "general"}, 2 / 3),
        (NOTHING, 1),
    ],
)
def test_question_one_weighs_as_much_as_all_three(judge: Judge, changes: dict[str, object], expected: float) -> None:
    assert answer_distance(judge(), judge(**changes)) == pytest.approx(expected)
    assert answer_distance(judge(**changes), judge()) == pytest.approx(expected)


def test_most_disagreement_comes_first_and_agreement_not_at_all(judge: Judge) -> None:
    answers: dict[int, list[dict[str, object]]] = {
        1: [{}, {}, {}],  # all agree
        2: [{}, {}, {"precision": "poor"}],  # two of three pairs differ by a third: 2/9
        3: [{}, {}, NOTHING],  # two of three pairs differ in question one: 2/3
        4: [{}],
        5: [{}, NOTHING],  # one pair, and it differs: 1
    }
    rows = [
        judge(f"j-{head}-{n}", head=head, annotator=f"a-{n}", **changes)
        for head, given in answers.items()
        for n, changes in enumerate(given)
    ]
    order = sorted({row.item for row in rows}, key=lambda item: item.head)
    found = find_disagreements(order, rows)
    assert [(each.item.head, round(each.distance, 6)) for each in found] == [(5, 1), (3, 0.666667), (2, 0.222222)]
    assert [row.judgment_id for row in found[0].judgments] == ["j-5-0", "j-5-1"]


def test_the_mean_over_pairs_is_that_of_every_pair(judge: Judge) -> None:
    chance = random.Random(0)
    options: list[dict[str, object]] = [{}, {"precision": "poor"}, {"category": "general"}, NOTHING]
    rows = [judge(f"j-{n}", annotator=f"a-{n}", **chance.choice(options)) for n in range(9)]
    assert mean_distance(rows) == pytest.approx(fmean(answer_distance(*pair) for pair in combinations(rows, 2)))
    assert (mean_distance(rows[:1]), mean_distance([])) == (0, 0)


def test_an_item_with_thousands_of_judgments_takes_no_time(judge: Judge) -> None:
    rows = [judge(f"j-{n}", annotator=f"a-{n}", **(NOTHING if n % 2 else {})) for n in range(3000)]
    begin = time.process_time()
    assert mean_distance(rows) == pytest.approx(1500 * 1500 / (3000 * 2999 / 2))
    assert time.process_time() - begin < 0.5  # 4.5 million pairs


def test_controls_and_practice_are_not_adjudicated(judge: Judge) -> None:
    for kind in ("swapped", "shuffled", "practice"):
        rows = [judge("j-1", item_kind=kind), judge("j-2", item_kind=kind, annotator="a-2", **NOTHING)]
        assert find_disagreements([rows[0].item], rows) == []


def test_a_decision_stands_beside_the_answers_and_the_last_one_counts(judge: Judge) -> None:
    rows = [judge("j-1"), judge("j-2", annotator="a-2", **NOTHING)]
    [open_one] = find_disagreements([rows[0].item], rows)
    assert open_one.decision is None
    decisions = [judge(f"d-{n}", item_kind="adjudication", annotator=f"o-{n}") for n in (1, 2)]
    [decided] = find_disagreements([rows[0].item], [*rows, *decisions])
    assert decided == replace(open_one, decision=decisions[1])
    assert decisions[0].item == adjudication_item(rows[0].item)
