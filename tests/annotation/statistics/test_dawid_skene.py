"""Dawid and Skene's model, on their own example."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pandas as pd
import pytest

from annotation.errors import DawidSkeneError
from annotation.statistics import dawid_skene
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.types import Judgment

Judge = Callable[..., Judgment]
# Dawid and Skene (1979), table 1: 45 patients; the first observer assessed each three times, four others once.
PATIENTS = (
    "1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 "
    "2322223 4444444 2223343 1111111 2223212 1211111 1112111 1111111 1111111 "
    "2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 "
    "1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 "
    "2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222 "
)
OBSERVERS = "1112345"


def example() -> pd.DataFrame:
    rows = [
        (f"patient {number}", f"observer {observer}", code)
        for number, patient in enumerate(PATIENTS.split(), start=1)
        for observer, code in zip(OBSERVERS, patient, strict=True)
    ]
    return pd.DataFrame(rows, columns=["task", "worker", "label"])


def test_the_published_example_gives_the_published_numbers() -> None:
    found = dawid_skene.label_probabilities(example())
    shares = found.mean().round(2).to_dict()
    assert shares == {"1": 0.40, "2": 0.42, "3": 0.11, "4": 0.07}  # their estimates of how frequent each class is
    assert found.sum(axis=1).round(9).tolist() == [1.0] * 45
    assert found.loc["patient 36"].idxmax() == "4"


def test_missing_answers_are_no_answers() -> None:
    table = example().drop(index=[3, 4, 5, 6])  # of patient 1 only the first observer's three readings remain
    assert dawid_skene.label_probabilities(table).loc["patient 1"].idxmax() == "1"


def test_items_get_their_label_and_equal_ones_none(judge: Judge) -> None:
    rows = [
        judge(f"{annotator}{layer}", annotator=annotator, layer=layer, presence=presence, precision=None, category=None)
        for layer in range(4)
        for annotator in "ab"
        for presence in ["absent_none" if layer < 2 else "present_missed"]
    ]
    table = select_counted_judgments(
        judgments_to_frame([*rows[:-1], judge("last", annotator="b", layer=3, precision=None, category=None)])
    )
    found = dawid_skene.estimate_labels(table)
    assert [found["presence"][key][0] for key in table.rows["key"].unique()[:3]] == [
        "absent_none",
        "absent_none",
        "present_missed",
    ]
    assert found["precision"] == {}


def test_two_who_differ_on_one_item_alone_share_the_first_place(judge: Judge) -> None:
    rows = [judge("1", annotator="a"), judge("2", annotator="b", presence="absent_none", precision=None, category=None)]
    [(label, share)] = dawid_skene.estimate_labels(select_counted_judgments(judgments_to_frame(rows)))[
        "presence"
    ].values()
    assert label is None
    assert share == pytest.approx(0.5)


def test_without_the_package_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "crowdkit.aggregation", None)
    with pytest.raises(DawidSkeneError, match=r"pip install crowd-kit==1\.4\.2"):
        dawid_skene.label_probabilities(example())


def test_a_model_that_does_not_settle_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dawid_skene, "MAX_ITERATIONS", 2)
    with pytest.raises(DawidSkeneError, match="did not converge within 2 iterations"):
        dawid_skene.label_probabilities(example())
