"""The alternative annotator test, against small examples worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from annotation.form import PRECISION, PRESENCE, FormQuestion
from annotation.statistics.alt_test import AltTest, reject_by_benjamini_yekutieli, run_alt_test
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.statistics.ratings import collect_ratings
from annotation.types import Judgment

Judge = Callable[..., Judgment]
ANSWERS = {"n": "absent_none", "d": "present_described", "m": "present_missed"}


def alt_test(judge: Judge, people: dict[str, str], model: str, question: FormQuestion = PRESENCE) -> AltTest:
    """People's answers to question one, one letter an item ("." for none), and the model's, in the same order."""
    rows = []
    for name, letters in people.items():
        for item, letter in enumerate(letters):
            if letter == ".":
                continue
            asked = {"presence": ANSWERS[letter], "precision": None, "category": None}
            if letter == "d":
                asked |= {"precision": "accurate", "category": "semantic"}
            rows.append(judge(f"{name} {item}", layer=item, annotator=name, **asked))
    counted = select_counted_judgments(judgments_to_frame(rows)).rows
    ratings = collect_ratings(counted, question)
    keys = dict(zip(counted["layer"], counted["key"], strict=True))
    answers = {keys[n]: ANSWERS[letter] for n, letter in enumerate(model) if letter != "."}
    return run_alt_test(ratings, answers, epsilon=0.15)


def test_a_model_that_answers_as_everybody_beats_everybody(judge: Judge) -> None:
    found = alt_test(judge, {"a": "nd" * 15, "b": "nd" * 15, "c": "nd" * 15}, "nd" * 15)
    assert (found.winning_rate, found.advantage, found.is_passed) == (1.0, 1.0, True)
    assert [each.items for each in found.annotators] == [30, 30, 30]


def test_a_model_that_always_differs_from_people_who_agree_beats_nobody(judge: Judge) -> None:
    found = alt_test(judge, {"a": "nd" * 15, "b": "nd" * 15, "c": "nd" * 15}, "dn" * 15)
    assert (found.winning_rate, found.advantage, found.is_passed) == (0.0, 0.0, False)


def test_somebody_who_answers_at_random_is_beaten_and_the_others_are_not(judge: Judge) -> None:
    people = {"a": "nnnn" * 10, "b": "nnnn" * 10, "random": "ndmd" * 10}
    found = alt_test(judge, people, "nnnd" * 10)
    by_name = {each.annotator: each for each in found.annotators}
    # Against a and b, the model is as good as the random person on the 1st and 4th of four items, better on the others.
    assert by_name["random"].advantage == 1.0
    assert by_name["random"].is_beaten
    # Left out, a always agrees with b; so does the model on three of four items, and with the third on the 4th.
    assert by_name["a"].advantage == 1.0
    assert found.winning_rate == 1.0


def test_only_items_with_the_model_and_another_person_count(judge: Judge) -> None:
    people = {"a": "n" * 32, "b": "n" * 31 + "."}
    found = alt_test(judge, people, "." + "n" * 31)
    assert [(each.annotator, each.items) for each in found.annotators] == [("a", 30), ("b", 30)]
    few = alt_test(judge, people, ".." + "n" * 30)
    assert few.winning_rate is None
    assert few.left_out == 2
    assert few.reason == "nobody shares 30 items with the model and another person"


def test_the_p_value_is_that_of_a_t_test(judge: Judge) -> None:
    # Of 30 items the person is better on 3 and the model on 6; both are as good on 21: the mean difference is −0.1.
    person, others, model = "d" * 6 + "n" * 24, "n" * 30, "n" * 6 + "d" * 3 + "n" * 21
    found = alt_test(judge, {"a": person, "b": others, "c": others}, model)
    [left_out] = [each for each in found.annotators if each.annotator == "a"]
    assert left_out.advantage == pytest.approx(27 / 30)
    assert left_out.p_value == pytest.approx(
        0.0091627, abs=1e-7
    )  # P(T ≤ −2.5) with 29 degrees of freedom, by quadrature


def test_precision_counts_how_far_answers_are_apart(judge: Judge) -> None:
    rows = []
    for item in range(30):
        for name, code in (("a", "inaccurate"), ("b", "accurate"), ("c", "accurate")):
            rows.append(judge(f"{name}{item}", layer=item, annotator=name, precision=code))
    counted = select_counted_judgments(judgments_to_frame(rows)).rows
    ratings = collect_ratings(counted, PRECISION)
    near = run_alt_test(ratings, dict.fromkeys(ratings.items, "inaccurate"), 0.15)
    # Without b, the others are "inaccurate" and "accurate": 1 away from one of them, as b is, or 2 and 3 from both.
    far = run_alt_test(ratings, dict.fromkeys(ratings.items, "poor"), 0.15)
    assert {each.annotator: each.advantage for each in near.annotators} == {"a": 1.0, "b": 1.0, "c": 1.0}
    assert {each.advantage for each in far.annotators} == {0.0}


def test_false_discoveries_are_limited_whatever_the_tests_have_in_common() -> None:
    # 1 + 1/2 + 1/3 = 11/6: the limits are 0.05 / 5.5 times 1, 2 and 3, that is 0.0091, 0.0182 and 0.0273.
    assert reject_by_benjamini_yekutieli([0.02, 0.5, 0.019], 0.05) == set()
    assert reject_by_benjamini_yekutieli([0.018, 0.5, 0.01], 0.05) == {0, 2}
    assert reject_by_benjamini_yekutieli([0.027, 0.02, 0.027], 0.05) == {0, 1, 2}
