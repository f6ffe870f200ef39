"""Answers counted, and the layer quarters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from annotation.errors import SummaryError
from annotation.statistics.answer_counts import (
    ANSWER_COUNT_COLUMNS,
    NO_LAYERS,
    answer_counts_by_quarter,
    layer_quarters,
)
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.types import Judgment

Judge = Callable[..., Judgment]


def test_answers_are_tabled_by_layer_quarter(judge: Judge) -> None:
    rows = [
        judge(str(n), layer=layer, precision=precision)
        for n, (layer, precision) in enumerate([(0, "accurate"), (7, "poor"), (8, "poor"), (29, "poor")])
    ]
    found = answer_counts_by_quarter(select_counted_judgments(judgments_to_frame(rows)).rows, {"smollm2": 30})
    assert tuple(found.columns) == ANSWER_COUNT_COLUMNS
    precision = found[(found["question"] == "precision") & (found["count"] > 0)]
    assert precision[["part", "answer", "count", "n"]].to_numpy().tolist() == [
        ["all", "accurate", 1, 4],
        ["all", "poor", 3, 4],
        ["first", "accurate", 1, 2],
        ["first", "poor", 1, 2],
        ["second", "poor", 1, 1],
        ["last", "poor", 1, 1],
    ]
    assert len(found) == 4 * 3 * 4


def test_a_model_whose_layers_are_unknown_is_left_out_and_named(judge: Judge) -> None:
    rows = select_counted_judgments(judgments_to_frame([judge("1"), judge("2", model="new\x1b")])).rows
    numbers, reason = layer_quarters(rows, {"smollm2": 30})
    assert numbers.tolist() == [3, -1]
    assert reason == "Not in the results by layer quarter: new\\u001B (number of layers unknown)."
    table = pd.DataFrame({"item": ["1"], "model": [None], "layer": [2]})
    assert layer_quarters(table, {})[1] == "Not in the results by layer quarter: judgments without a model or layer."


def test_a_table_without_layers_has_no_quarters() -> None:
    numbers, reason = layer_quarters(pd.DataFrame({"item": ["1", "2"]}), {})
    assert (numbers.tolist(), reason) == (
        [-1, -1],
        NO_LAYERS,
    )


def test_a_layer_that_its_model_does_not_have_is_an_error(judge: Judge) -> None:
    with pytest.raises(SummaryError, match="The table has layer 26, but smollm2 has 26 layers"):
        layer_quarters(select_counted_judgments(judgments_to_frame([judge()])).rows, {"smollm2": 26})


def test_quarters_are_those_of_the_papers_models() -> None:
    for layers, size in ((32, 8), (48, 12)):
        rows = pd.DataFrame({"model": ["m"] * layers, "layer": range(layers)})
        assert layer_quarters(rows, {"m": layers})[0].tolist() == np.repeat(range(4), size).tolist()
