"""The report and the tables, against numbers worked by hand and the paper's counts."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence

import pandas as pd
import pytest

from annotation.form import QUESTIONS
from annotation.statistics import summary
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.statistics.summary import JudgmentShare
from annotation.types import Judgment

Judge = Callable[..., Judgment]
COLUMNS = ["item", "annotator", "presence", "precision", "category"]
TWO_ON_THREE = [
    ("1", "ada", "present_described", "accurate", "semantic"),
    ("1", "bob", "present_described", "partial", "semantic"),
    ("2", "ada", "absent_none", "", ""),
    ("2", "bob", "absent_described", "", ""),
    ("3", "ada", "present_missed", "", "general"),
    ("3", "bob", "present_described", "", "language"),
]


def report_of(rows: Sequence[tuple[str, ...]], seed: int = 0) -> summary.AgreementReport:
    return summary.summarise_judgments(select_counted_judgments(pd.DataFrame(rows, columns=COLUMNS)), seed)


def test_the_report_of_a_small_table_is_the_one_worked_by_hand() -> None:
    found = report_of(TWO_ON_THREE)
    assert (found.items, found.annotators, found.judgments) == (3, 2, 6)
    assert {
        name: (each.n_items, each.n_judgments, each.blank, each.unasked) for name, each in found.questions.items()
    } == {"presence": (3, 6, 0, 0), "precision": (1, 2, 1, 0), "category": (2, 4, 0, 0)}
    percents = {name: each.coefficients["percent"].value for name, each in found.questions.items()}
    assert percents == {"presence": pytest.approx(1 / 3), "precision": 0.0, "category": 0.5}
    assert found.headline == {
        "correct": JudgmentShare(4 / 6, 4, 6),
        "false_patterns_among_failures": JudgmentShare(0.5, 1, 2),
        "visible_patterns_described": JudgmentShare(0.75, 3, 4),
        "poor": JudgmentShare(0.0, 0, 2),
    }
    # Presence: p_o = 1/3; ada's shares 1/3 described, none, missed; bob's 2/3 described, 1/3 absent_described:
    # p_e = 1/3 · 2/3 = 2/9, κ = (1/3 − 2/9) / (7/9) = 1/7.
    (kappa,) = found.questions["presence"].cohen_kappa
    assert (kappa.pair, kappa.n) == (("ada", "bob"), 3)
    assert kappa.value == pytest.approx(1 / 7)


def test_the_json_object_has_the_contracts_keys() -> None:
    found = json.loads(json.dumps(report_of(TWO_ON_THREE).as_json(), allow_nan=False))
    assert list(found) == [
        *("items", "annotators", "judgments", "left_out", "questions", "headline", "answers", "by_model", "by_quarter"),
        *("majority", "controls", "aggregated", "evidence"),
    ]
    common = {"n_items", "n_judgments", "percent", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1", "cohen_kappa"}
    for name, question in found["questions"].items():
        expected = common | {"blank", "unasked"} | ({"gwet_ac2"} if name == "precision" else set())
        assert set(question) == expected
        assert {"value", "low", "high", "reason"} <= set(question["percent"])
        assert question["cohen_kappa"][0]["pair"] == ["ada", "bob"]
    assert found["headline"]["poor"] == {"value": 0.0, "count": 0, "n": 2}


def rows_of_many(annotators: int) -> list[tuple[str, ...]]:
    chance = random.Random(0)
    return [
        (str(item), f"a{n:03}", chance.choice(QUESTIONS[0].codes), "", "")
        for item in range(3)
        for n in range(annotators)
    ]


def test_twenty_annotators_are_listed_by_pair_and_more_are_summarised() -> None:
    few, many = (report_of(rows_of_many(number)).as_json()["questions"] for number in (20, 21))
    assert len(few["presence"]["cohen_kappa"]) == 190
    found = many["presence"]["cohen_kappa"]
    assert {name: found[name] for name in ("pairs", "without_items", "worst_items")} == {
        **{"pairs": 210, "without_items": 0, "worst_items": 3}
    }
    assert len(found["worst"]) == 5
    assert set(found["worst"][0]) == {"pair", "n", "value", "low", "high", "draws", "reason"}
    assert not any("pair_summary" in question for report in (few, many) for question in report.values())
    assert many["precision"]["cohen_kappa"] == []  # nobody answered it


def test_the_report_does_not_grow_with_the_pairs() -> None:
    sizes = [len(json.dumps(report_of(rows_of_many(number)).as_json())) for number in (30, 60)]
    assert sizes[1] < 2.1 * sizes[0]  # as the annotators; the pairs are four times as many


def test_without_judgments_everything_is_undefined_with_its_reason() -> None:
    found = report_of([])
    assert (found.items, found.annotators, found.judgments) == (0, 0, 0)
    assert set(found.headline.values()) == {JudgmentShare(None, 0, 0)}
    reasons = {each.reason for question in found.questions.values() for each in question.coefficients.values()}
    assert reasons == {"no item has two or more answers"}


def test_answers_where_the_form_does_not_ask_are_counted_as_such() -> None:
    found = report_of([("1", "ada", "absent_none", "poor", "general")])
    assert [each.unasked for each in found.questions.values()] == [0, 1, 1]


def test_the_seed_moves_the_interval_and_nothing_else() -> None:
    chance = random.Random(0)
    rows = [(str(i), a, chance.choice(QUESTIONS[0].codes), "", "") for i in range(50) for a in ("x", "y", "z")]
    one, same, other = (report_of(rows, seed).questions["presence"].coefficients["percent"] for seed in (0, 0, 1))
    assert one == same
    assert one.value == other.value
    assert (one.low, one.high) != (other.low, other.high)


def test_a_model_and_its_quarters_are_reported_like_the_whole(judge: Judge) -> None:
    rows = [judge(f"{a}{layer}", annotator=a, layer=layer) for a in ("x", "y") for layer in (0, 29)]
    rows += [judge("n", model="new", annotator="x")]
    found = summary.summarise_judgments(select_counted_judgments(judgments_to_frame(rows)), layers={"smollm2": 30})
    assert [(g.model, g.quarter, g.items, g.annotators, g.judgments) for g in found.by_model.groups] == [
        ("new", None, 1, 1, 1),
        ("smollm2", None, 2, 2, 4),
    ]
    assert [(g.model, g.quarter, g.items, g.annotators, g.judgments) for g in found.by_quarter.groups] == [
        ("smollm2", 0, 1, 2, 2),
        ("smollm2", 3, 1, 2, 2),
    ]
    assert (found.by_model.reason, found.by_quarter.reason) == (
        None,
        "Not in the results by layer quarter: new (number of layers unknown).",
    )
    alone = summary.summarise_judgments(
        select_counted_judgments(judgments_to_frame([row for row in rows if row.model == "smollm2"]))
    )
    group = found.by_model.groups[1]
    assert (group.questions, group.headline, group.answers) == (alone.questions, alone.headline, alone.answers)
    first = found.by_quarter.groups[0]
    assert first.questions["presence"].coefficients["percent"].n == 1
    assert first.answers["precision"] == {"accurate": 2, "inaccurate": 0, "partial": 0, "poor": 0}


def test_a_table_without_models_has_no_results_by_model() -> None:
    found = report_of(TWO_ON_THREE)
    assert (found.by_model.groups, found.by_model.reason) == ([], summary.NO_MODEL)
    assert found.by_quarter.groups == []


def test_five_thousand_judgments_are_summarised_in_two_seconds() -> None:
    chance = random.Random(0)
    rows = [
        (str(item), f"a{person}", "present_described", *(chance.choice(q.codes) for q in QUESTIONS[1:]))
        for item in range(1000)
        for person in range(5)
    ]
    begin = time.process_time()
    found = report_of(rows)
    assert time.process_time() - begin < 2
    assert found.judgments == 5000
