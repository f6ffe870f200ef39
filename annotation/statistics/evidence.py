"""Do the measures of a description agree with people? Detection score and support beside the precision they gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from annotation.form import PRECISION
from annotation.statistics.bootstrap import (
    BootstrapEstimate,
    Floats,
    estimate_statistic,
    group_equal_items,
    quotient_or_nan,
)
from annotation.statistics.judgments_table import CountedJudgments

MIN_ITEMS = 3
NO_DESCRIPTION_ID = "the table of judgments has no description_id"
TOO_FEW_ITEMS = "fewer than three items have both a precision and this measure"
NO_VARIATION = "one of the two is the same for every item"


@dataclass(frozen=True)
class MeasureCorrelation:
    """Spearman's rank correlation of a measure with the items' mean precision; `scorer` gave a detection score."""

    measure: str
    scorer: str | None
    spearman: BootstrapEstimate


def mean_ranks(values: Floats, draw_counts: Floats) -> Floats:
    """Mean ranks of the values in each draw, ties sharing theirs, up to a constant; (draws, kinds)."""
    distinct, place = np.unique(values, return_inverse=True)
    totals = np.zeros((len(draw_counts), len(distinct)))
    for item, where in enumerate(place):
        totals[:, where] += draw_counts[:, item]
    return (totals.cumsum(1) - totals / 2)[:, place]


def spearman(draw_counts: Floats, pairs: Floats) -> Floats:
    """ρ = Pearson's correlation of the mean ranks of two columns; in [−1, 1], nan without variation; (draws,).

    Spearman, American Journal of Psychology 15 (1904).
    """
    n = draw_counts.sum(1, keepdims=True)
    one, other = (mean_ranks(values, draw_counts) for values in pairs.T)
    one, other = (each - (draw_counts * each).sum(1, keepdims=True) / n for each in (one, other))
    products = (draw_counts * one * other).sum(1)
    squares = (draw_counts * one**2).sum(1) * (draw_counts * other**2).sum(1)
    return np.clip(quotient_or_nan(products, np.sqrt(squares)), -1, 1)


def mean_precision_by_description(rows: pd.DataFrame) -> pd.Series[float]:
    """The mean precision of each description, from 3 (accurate) to 0 (poor), by description_id."""
    answered = rows[rows["precision"].notna() & rows["description_id"].notna()]
    steps = {code: float(len(PRECISION.codes) - 1 - place) for place, code in enumerate(PRECISION.codes)}
    return answered["precision"].map(steps).astype("float64").groupby(answered["description_id"]).mean()


def _correlate(human_precision: pd.Series[float], measure: pd.Series[float], seed: int) -> BootstrapEstimate:
    both = (
        pd.concat([human_precision, measure.astype("float64")], axis=1, join="inner")
        .dropna()
        .to_numpy(dtype=np.float64)
    )
    if len(both) < MIN_ITEMS:
        return BootstrapEstimate(None, None, None, len(both), 0, TOO_FEW_ITEMS)
    return estimate_statistic(spearman, group_equal_items(both, seed), len(both), NO_VARIATION)


def correlate_measures(
    judgments: CountedJudgments, descriptions: pd.DataFrame, scores: pd.DataFrame, seed: int = 0
) -> list[MeasureCorrelation]:
    """Every scorer's detection scores, then the support counts, against human precision.

    `descriptions` needs description_id and support, `scores` description_id, scorer and detection (both as in the
    atlas); rows are joined by description_id. Undefined with its reason, also where nothing was scored.
    """
    if "description_id" not in judgments.rows:
        return [
            MeasureCorrelation(name, None, BootstrapEstimate(None, None, None, 0, 0, NO_DESCRIPTION_ID))
            for name in ("detection", "support")
        ]
    people = mean_precision_by_description(judgments.rows)
    found = []
    for scorer, rows in scores.groupby("scorer", sort=True):
        measured = rows.drop_duplicates("description_id", keep="last").set_index("description_id")["detection"]
        found.append(MeasureCorrelation("detection", str(scorer), _correlate(people, measured, seed)))
    if not found:
        found.append(MeasureCorrelation("detection", None, BootstrapEstimate(None, None, None, 0, 0, TOO_FEW_ITEMS)))
    support = descriptions.drop_duplicates("description_id", keep="last").set_index("description_id")["support"]
    return [*found, MeasureCorrelation("support", None, _correlate(people, support, seed))]
