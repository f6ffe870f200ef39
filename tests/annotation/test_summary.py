"""The report and the tables, against numbers worked by hand and the paper's counts."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence

import pandas as pd
import pytest

from annotation import summary
from annotation.counting import SummaryError, counted, frame
from annotation.form import QUESTIONS
from annotation.summary import Share
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


def report_of(rows: Sequence[tuple[str, ...]], seed: int = 0) -> summary.Report:
    return summary.report(counted(pd.DataFrame(rows, columns=COLUMNS)), seed)


def test_the_report_of_a_small_table_is_the_one_worked_by_hand() -> None:
    found = report_of(TWO_ON_THREE)
    assert (found.items, found.annotators, found.judgments) == (3, 2, 6)
    assert {
        name: (each.n_items, each.n_judgments, each.blank, each.unasked) for name, each in found.questions.items()
    } == {"presence": (3, 6, 0, 0), "precision": (1, 2, 1, 0), "category": (2, 4, 0, 0)}
    percents = {name: each.coefficients["percent"].value for name, each in found.questions.items()}
    assert percents == {"presence": pytest.approx(1 / 3), "precision": 0.0, "category": 0.5}
    assert found.headline == {
        "correct": Share(4 / 6, 4, 6),
        "false_patterns_among_failures": Share(0.5, 1, 2),
        "visible_patterns_described": Share(0.75, 3, 4),
        "poor": Share(0.0, 0, 2),
    }
    # Presence: p_o = 1/3; ada's shares 1/3 described, none, missed; bob's 2/3 described, 1/3 absent_described:
    # p_e = 1/3 · 2/3 = 2/9, κ = (1/3 − 2/9) / (7/9) = 1/7.
    (kappa,) = found.questions["presence"].cohen_kappa
    assert (kappa.pair, kappa.n) == (("ada", "bob"), 3)
    assert kappa.value == pytest.approx(1 / 7)


def test_the_json_object_has_the_contracts_keys() -> None:
    found = json.loads(json.dumps(report_of(TWO_ON_THREE).as_json(), allow_nan=False))
    assert list(found) == ["items", "annotators", "judgments", "left_out", "questions", "headline"]
    common = {"n_items", "n_judgments", "percent", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1", "cohen_kappa"}
    for name, question in found["questions"].items():
        expected = common | {"blank", "unasked"} | ({"gwet_ac2"} if name == "precision" else set())
        assert set(question) == expected
        assert {"value", "low", "high", "reason"} <= set(question["percent"])
        assert question["cohen_kappa"][0]["pair"] == ["ada", "bob"]
    assert found["headline"]["poor"] == {"value": 0.0, "count": 0, "n": 2}


def test_without_judgments_everything_is_undefined_with_its_reason() -> None:
    found = report_of([])
    assert (found.items, found.annotators, found.judgments) == (0, 0, 0)
    assert set(found.headline.values()) == {Share(None, 0, 0)}
    reasons = {each.reason for question in found.questions.values() for each in question.coefficients.values()}
    assert reasons == {"no item has two or more answers"}


def test_the_papers_counts_give_the_papers_percentages() -> None:
    presence = ["absent_none"] * 91 + ["absent_described"] * 48 + ["present_missed"] * 7
    presence += ["present_described"] * 126
    precision = [""] * 146 + ["accurate"] * 83 + ["partial"] * 40 + ["poor"] * 2 + [""]
    category = [""] * 139 + ["semantic"] * 41 + ["general"] * 38 + ["language"] * 28 + ["unnatural"] * 25 + [""]
    rows = [
        (str(number), f"a{number % 5}", *answers)
        for number, answers in enumerate(zip(presence, precision, category, strict=True))
    ]
    found = report_of(rows)
    assert (found.items, found.annotators, found.judgments) == (272, 5, 272)
    assert found.headline == {
        "correct": Share(217 / 272, 217, 272),
        "false_patterns_among_failures": Share(48 / 55, 48, 55),
        "visible_patterns_described": Share(126 / 133, 126, 133),
        "poor": Share(2 / 125, 2, 125),
    }
    assert [found.questions[name].blank for name in ("precision", "category")] == [1, 1]


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


def test_answers_are_tabled_by_layer_quarter(judge: Judge) -> None:
    rows = [
        judge(str(n), layer=layer, precision=precision)
        for n, (layer, precision) in enumerate([(0, "accurate"), (7, "poor"), (8, "poor"), (29, "poor")])
    ]
    found = summary.by_layer_quarter(counted(frame(rows)), {"smollm2": 30})
    assert list(found.columns) == ["model", "quarter", "question", "answer", "label", "count", "n"]
    precision = found[(found["question"] == "precision") & (found["count"] > 0)]
    assert precision[["model", "quarter", "answer", "count", "n"]].to_numpy().tolist() == [
        ["smollm2", 0, "accurate", 1, 2],
        ["smollm2", 0, "poor", 1, 2],
        ["smollm2", 1, "poor", 1, 1],
        ["smollm2", 3, "poor", 1, 1],
    ]
    assert len(found) == 3 * 3 * 4


def test_a_layer_outside_its_model_belongs_to_no_quarter(judge: Judge) -> None:
    for layers in ({"smollm2": 26}, {"other": 30}):
        with pytest.raises(SummaryError, match="Layer 26 of smollm2 is not in its atlas"):
            summary.by_layer_quarter(counted(frame([judge()])), layers)
    with pytest.raises(SummaryError, match="lacks model or layer"):
        summary.by_layer_quarter(counted(pd.DataFrame(TWO_ON_THREE, columns=COLUMNS)), {})


def test_answers_are_tabled_by_item(judge: Judge) -> None:
    rows = [judge("1"), judge("2", annotator="a-2", precision="poor"), judge("3", layer=3)]
    found = summary.by_item(counted(frame(rows)))
    chosen = found[(found["layer"] == 26) & (found["question"] == "precision")]
    assert chosen[["answer", "count", "n"]].to_numpy().tolist() == [
        ["accurate", 1, 2],
        ["inaccurate", 0, 2],
        ["partial", 0, 2],
        ["poor", 1, 2],
    ]
    assert summary.by_item(counted(frame([]))).empty


def test_five_thousand_judgments_are_summarised_in_two_seconds() -> None:
    chance = random.Random(0)
    rows = [
        (str(item), f"a{person}", "present_described", *(chance.choice(q.codes) for q in QUESTIONS[1:]))
        for item in range(1000)
        for person in range(5)
    ]
    begin = time.perf_counter()
    found = report_of(rows)
    assert time.perf_counter() - begin < 2
    assert found.judgments == 5000
