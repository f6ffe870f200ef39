"""Answers as arrays, and their majority."""

from __future__ import annotations

import numpy as np
import pandas as pd

from annotation.form import PRECISION, PRESENCE
from annotation.statistics.judgments_table import select_counted_judgments
from annotation.statistics.ratings import collect_ratings, majority_codes

ROWS = pd.DataFrame(
    [("1", "bob", "present_described", "poor"), ("1", "ada", "present_described", ""), ("2", "ada", "absent_none", "")],
    columns=["item", "annotator", "presence", "precision"],
).assign(category="")


def test_answers_stand_by_item_and_annotator() -> None:
    found = collect_ratings(select_counted_judgments(ROWS).rows, PRESENCE)
    assert found.annotators == ["ada", "bob"]
    answers = zip(found.item_numbers, found.annotator_numbers, found.codes, strict=True)
    assert list(answers) == [(0, 0, 3), (0, 1, 3), (1, 0, 0)]
    assert [each.tolist() for each in found.answers_by_annotator()] == [[0, 2], [1]]
    assert found.counts.tolist() == [[0, 0, 0, 2], [1, 0, 0, 0]]


def test_only_items_and_annotators_with_an_answer_are_there() -> None:
    found = collect_ratings(select_counted_judgments(ROWS).rows, PRECISION)
    assert (len(found.items), found.annotators, found.codes.tolist()) == (1, ["bob"], [3])


def test_a_shared_first_place_is_no_majority() -> None:
    counts = np.array([[2, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1], [2, 2, 1]])
    assert majority_codes(counts).tolist() == [0, -1, -1, 2, -1]
    assert majority_codes(np.zeros((0, 4), dtype=np.int64)).tolist() == []
