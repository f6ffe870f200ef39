"""Do the measures of a description agree with people?

The detection scores (also among look-alikes), the percentile of predicted targets and the support of each description
are correlated with the precision that annotators gave it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from annotation.form import PRECISION
from annotation.statistics.bootstrap import (
    BootstrapEstimate,
    Floats,
    estimate_statistic,
    group_equal_items,
    quotient_or_nan,
)
from annotation.statistics.judgments_table import CountedJudgments

MIN_DESCRIPTIONS = 3
NO_DESCRIPTION_ID = "the table of judgments has no column description_id"
TOO_FEW_DESCRIPTIONS = "fewer than three descriptions have both a precision and this measure"
NO_VARIATION = "the precision or the measure is the same for every description"


class EvidenceTables(NamedTuple):
    """The atlas's table `descriptions`, with those of operations in `patterns`, and its table `scores`."""

    descriptions: pd.DataFrame
    scores: pd.DataFrame

    @classmethod
    def read(cls, table: Callable[[str], pa.Table]) -> EvidenceTables:
        """From a function that gives an atlas's tables by name."""
        named = [table(name).select(["description_id", "support"]).to_pandas() for name in ("descriptions", "patterns")]
        return cls(pd.concat(named, ignore_index=True), table("scores").to_pandas())


@dataclass(frozen=True)
class MeasureCorrelation:
    """Spearman's ρ between a measure and the mean precision of the descriptions.

    `measure` is `detection`, `lookalike`, `generation` or `support`; `scorer` is the one who was asked or predicted,
    None for support.
    """

    measure: str
    scorer: str | None
    spearman: BootstrapEstimate


def mean_ranks(values: Floats, draw_counts: Floats) -> Floats:
    """The rank of each value within each draw, up to a constant; equal values share their mean rank.

    `values` (distinct items,); (draws, distinct items). A value's mean rank is the number of drawn items below it plus
    half the number of drawn items equal to it. Example: 5, 7, 7, 9 have the ranks 0.5, 2, 2, 3.5.
    """
    distinct, positions = np.unique(values, return_inverse=True)
    totals = np.zeros((len(draw_counts), len(distinct)))  # how often each distinct value is drawn
    for item, position in enumerate(positions):
        totals[:, position] += draw_counts[:, item]
    return (totals.cumsum(1) - totals / 2)[:, positions]


def spearman(draw_counts: Floats, pairs: Floats) -> Floats:
    """ρ = Pearson's correlation of the mean ranks of the two columns of `pairs` (distinct items, 2); (draws,).

    In [−1, 1]: 1 where both columns have the same order, −1 where the orders are reversed, 0 without a monotonic
    relation; nan where a column does not vary. Spearman, American Journal of Psychology 15 (1904).
    """
    n = draw_counts.sum(1, keepdims=True)
    first, second = mean_ranks(pairs[:, 0], draw_counts), mean_ranks(pairs[:, 1], draw_counts)
    first = first - (draw_counts * first).sum(1, keepdims=True) / n
    second = second - (draw_counts * second).sum(1, keepdims=True) / n
    products = (draw_counts * first * second).sum(1)
    squares = (draw_counts * first**2).sum(1) * (draw_counts * second**2).sum(1)
    return np.clip(quotient_or_nan(products, np.sqrt(squares)), -1, 1)


def mean_precision_by_description(rows: pd.DataFrame) -> pd.Series[float]:
    """The mean precision of each description, from 3 (accurate) to 0 (poor), by description_id."""
    answered = rows[rows["precision"].notna() & rows["description_id"].notna()]
    points = {code: float(len(PRECISION.codes) - 1 - position) for position, code in enumerate(PRECISION.codes)}
    return answered["precision"].map(points).astype("float64").groupby(answered["description_id"]).mean()


def correlate_with_people(human_precision: pd.Series[float], measure: pd.Series[float], seed: int) -> BootstrapEstimate:
    """Spearman's ρ of a measure and people's mean precision, both by description_id."""
    joined = pd.concat([human_precision, measure.astype("float64")], axis=1, join="inner").dropna()
    pairs = joined.to_numpy(dtype=np.float64)
    if len(pairs) < MIN_DESCRIPTIONS:
        return BootstrapEstimate(None, None, None, len(pairs), 0, TOO_FEW_DESCRIPTIONS)
    return estimate_statistic(spearman, group_equal_items(pairs, seed), len(pairs), NO_VARIATION)


def _newest_by_description(rows: pd.DataFrame, measure: str) -> pd.Series[float]:
    return rows.drop_duplicates("description_id", keep="last").set_index("description_id")[measure]


def correlate_measures(judgments: CountedJudgments, tables: EvidenceTables, seed: int = 0) -> list[MeasureCorrelation]:
    """Correlates what each scorer measured, then the support, with the precision that annotators gave.

    Detection and support always have an entry, undefined with its reason where there is nothing to correlate.
    """
    if "description_id" not in judgments.rows:
        undefined = BootstrapEstimate(None, None, None, 0, 0, NO_DESCRIPTION_ID)
        return [MeasureCorrelation(measure, None, undefined) for measure in ("detection", "support")]
    precision = mean_precision_by_description(judgments.rows)
    measures = ("detection", "lookalike", "generation")
    correlations = [each for name in measures for each in _correlate_by_scorer(precision, tables.scores, name, seed)]
    if not any(each.measure == "detection" for each in correlations):
        undefined = BootstrapEstimate(None, None, None, 0, 0, TOO_FEW_DESCRIPTIONS)
        correlations.insert(0, MeasureCorrelation("detection", None, undefined))
    support = correlate_with_people(precision, _newest_by_description(tables.descriptions, "support"), seed)
    return [*correlations, MeasureCorrelation("support", None, support)]


def _correlate_by_scorer(
    precision: pd.Series[float], scores: pd.DataFrame, measure: str, seed: int
) -> list[MeasureCorrelation]:
    """One measure of each scorer that has values of it."""
    known = scores[scores[measure].notna()]
    by_scorer = {str(name): _newest_by_description(rows, measure) for name, rows in known.groupby("scorer", sort=True)}
    return [
        MeasureCorrelation(measure, name, correlate_with_people(precision, values, seed))
        for name, values in by_scorer.items()
    ]
