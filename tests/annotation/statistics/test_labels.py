"""Labels: majority, ties, adjudication, and the model's estimates beside them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.statistics.labels import LabelCounts, LabelEstimates, compute_labels, count_labels
from annotation.types import Judgment

Judge = Callable[..., Judgment]
NOTHING = {"precision": None, "category": None}


def study(judge: Judge) -> list[Judgment]:
    """Layer 0: 2 to 1; layer 1: 1 to 1; layer 2: 1 to 1, adjudicated twice; layer 3: adjudicated only."""
    return [
        judge("1", layer=0, annotator="a"),
        judge("2", layer=0, annotator="b", precision="poor"),
        judge("3", layer=0, annotator="c", presence="absent_none", **NOTHING),
        judge("4", layer=1, annotator="a"),
        judge("5", layer=1, annotator="b", presence="present_missed", precision=None),
        judge("6", layer=2, annotator="a"),
        judge("7", layer=2, annotator="b", presence="absent_described", **NOTHING),
        judge("8", layer=2, annotator="o", item_kind="adjudication", precision="poor"),
        judge("9", layer=2, annotator="p", item_kind="adjudication", presence="absent_none", **NOTHING),
        judge("10", layer=3, annotator="o", item_kind="adjudication"),
    ]


def rows(table: pd.DataFrame, question: str, columns: list[str]) -> list[list[object]]:
    part = table[table["question"] == question][columns].astype(object)
    return [[None if pd.isna(cell) else cell for cell in row] for row in part.to_numpy().tolist()]


def test_majority_ties_and_the_newest_adjudication_make_the_labels(judge: Judge) -> None:
    table = compute_labels(select_counted_judgments(judgments_to_frame(study(judge))))
    columns = ["layer", "n", "majority", "tie", "adjudicated", "label"]
    assert rows(table, "presence", columns) == [
        [0, 3, "present_described", False, False, "present_described"],
        [1, 2, None, True, False, None],
        [2, 2, None, True, True, "absent_none"],
        [3, 0, None, False, True, "present_described"],
    ]
    assert rows(table, "precision", columns) == [
        [0, 2, None, True, False, None],
        [1, 1, "accurate", False, False, "accurate"],
        [2, 1, "accurate", False, True, None],
        [3, 0, None, False, True, "accurate"],
    ]
    assert count_labels(table)["presence"] == LabelCounts(
        4, {"absent_none": 1, "absent_described": 0, "present_missed": 0, "present_described": 2}, 1, 2, 0
    )
    assert count_labels(table)["precision"] == LabelCounts(
        4, {"accurate": 2, "inaccurate": 0, "partial": 0, "poor": 0}, 1, 2, 1
    )


def test_estimates_stand_beside_the_majority(judge: Judge) -> None:
    table = select_counted_judgments(judgments_to_frame([judge("1")]))
    [key] = table.rows["key"]
    given: dict[str, LabelEstimates] = {
        "presence": {key: ("absent_none", 0.75)},
        "precision": {key: (None, 0.5)},
        "category": {},
    }
    found = compute_labels(table, given)
    columns = ["question", "label", "dawid_skene", "dawid_skene_probability"]
    assert found[columns].astype(object).where(found[columns].notna(), None).to_numpy().tolist() == [
        ["presence", "present_described", "absent_none", 0.75],
        ["precision", "accurate", None, 0.5],
        ["category", "semantic", None, None],
    ]


def test_without_judgments_there_are_no_labels() -> None:
    table = compute_labels(select_counted_judgments(judgments_to_frame([])))
    assert len(table) == 0
    assert count_labels(table)["category"].items == 0


def test_a_question_that_nobody_answered_keeps_the_types_of_the_table(judge: Judge) -> None:
    table = compute_labels(
        select_counted_judgments(
            judgments_to_frame([judge("1", presence="absent_none", precision=None, category=None)])
        )
    )
    assert [str(table[name].dtype) for name in ("tie", "adjudicated")] == ["bool", "bool"]
    assert table["label"].tolist() == ["absent_none"]
