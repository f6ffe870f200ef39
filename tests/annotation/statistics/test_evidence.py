"""Rank correlations of measures with people, against published and hand-worked numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from annotation.statistics import evidence
from annotation.statistics.bootstrap import Floats, group_equal_items
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.types import Judgment

Judge = Callable[..., Judgment]


def rho(first: Sequence[float], second: Sequence[float]) -> float:
    pairs = np.column_stack([first, second]).astype(float)
    found: Floats = evidence.spearman(np.ones((1, len(first))), pairs)
    return float(found[0])


def test_spearman_of_published_examples() -> None:
    iq, hours = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110], [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
    assert rho(iq, hours) == pytest.approx(-29 / 165)  # the textbook example of intelligence and television
    assert rho([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) == pytest.approx(0.820783, abs=1e-6)  # SciPy's, with a tie
    assert rho([1, 2, 3], [6, 4, 2]) == pytest.approx(-1)
    assert np.isnan(rho([1, 1, 1], [1, 2, 3]))


def test_the_bootstrap_is_that_of_drawing_items_one_by_one() -> None:
    random = np.random.default_rng(0)
    items = group_equal_items(np.column_stack([random.integers(0, 4, 12), random.random(12)]), 0)
    drawn = evidence.spearman(items.draw_counts, items.distinct_items)
    for draw in range(20):
        repeated = pd.DataFrame(np.repeat(items.distinct_items, items.draw_counts[draw].astype(int), axis=0)).rank()
        ranked = repeated[0].corr(repeated[1])
        assert drawn[draw] == pytest.approx(ranked)


def test_measures_are_joined_by_description(judge: Judge) -> None:
    precision = {"d-1": ["accurate", "inaccurate"], "d-2": ["partial"], "d-3": ["poor"], "d-4": ["accurate"]}
    rows = [
        judge(f"{name}{n}", annotator=f"a-{n}", layer=int(name[2]), description_id=name, precision=code)
        for name, codes in precision.items()
        for n, code in enumerate(codes)
    ]
    people = evidence.mean_precision_by_description(select_counted_judgments(judgments_to_frame(rows)).rows)
    assert people.to_dict() == {"d-1": 2.5, "d-2": 1.0, "d-3": 0.0, "d-4": 3.0}
    descriptions = pd.DataFrame({"description_id": ["d-1", "d-2", "d-3"], "support": [20, 25, 30]})
    scores = pd.DataFrame(
        {
            "description_id": ["d-1", "d-2", "d-3", "d-4", "d-9", "d-1"],
            "scorer": ["m"] * 5 + ["other"],
            "detection": [0.8, 0.6, 0.5, 0.9, 1.0, 0.5],
            "lookalike": [0.5, 0.6, 0.8, 0.4, None, None],
            "generation": [0.9, 0.8, 0.7, None, None, None],
        }
    )
    tables = evidence.EvidenceTables(descriptions, scores)
    found = evidence.correlate_measures(select_counted_judgments(judgments_to_frame(rows)), tables)
    assert [(e.measure, e.scorer, e.spearman.n, e.spearman.value, e.spearman.reason) for e in found] == [
        ("detection", "m", 4, pytest.approx(1.0), None),
        ("detection", "other", 1, None, evidence.TOO_FEW_DESCRIPTIONS),
        ("lookalike", "m", 4, pytest.approx(-1.0), None),
        ("generation", "m", 3, pytest.approx(1.0), None),
        ("support", None, 3, pytest.approx(-1.0), None),
    ]


def test_what_cannot_be_correlated_says_why(judge: Judge) -> None:
    names = ("description_id", "scorer", "detection", "lookalike", "generation", "support")
    nothing = pd.DataFrame({name: [] for name in names})
    tables = evidence.EvidenceTables(nothing, nothing)
    plain = pd.DataFrame([("1", "a", "absent_none", "", "")], columns=["item", "annotator", *"pqr"])
    plain.columns = pd.Index(["item", "annotator", "presence", "precision", "category"])
    assert [e.spearman.reason for e in evidence.correlate_measures(select_counted_judgments(plain), tables)] == [
        evidence.NO_DESCRIPTION_ID
    ] * 2
    rows = select_counted_judgments(
        judgments_to_frame([judge(str(n), layer=n, description_id=f"d-{n}") for n in range(3)])
    )
    same = pd.DataFrame({"description_id": ["d-0", "d-1", "d-2"], "support": [1, 2, 3]})
    assert [e.spearman.reason for e in evidence.correlate_measures(rows, tables._replace(descriptions=same))] == [
        evidence.TOO_FEW_DESCRIPTIONS,
        evidence.NO_VARIATION,
    ]
