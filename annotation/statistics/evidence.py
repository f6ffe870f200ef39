"""Do the measures of a description agree with people? Detection score and support beside the precision they gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from annotation.form import PRECISION
from annotation.statistics.bootstrap import Estimate, Floats, estimated, items_of, quotient
from annotation.statistics.judgments_table import Counted

FEWEST = 3
NO_ID = "the table of judgments has no description_id"
FEW = "fewer than three items have both a precision and this measure"
NO_VARIATION = "one of the two is the same for every item"


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a measure with the items' mean precision; `scorer` gave a detection score."""

    measure: str
    scorer: str | None
    spearman: Estimate


def ranks(values: Floats, times: Floats) -> Floats:
    """Mean ranks of the values in each draw, ties sharing theirs, up to a constant; (draws, kinds)."""
    distinct, place = np.unique(values, return_inverse=True)
    totals = np.zeros((len(times), len(distinct)))
    for item, where in enumerate(place):
        totals[:, where] += times[:, item]
    return (totals.cumsum(1) - totals / 2)[:, place]


def spearman(times: Floats, pairs: Floats) -> Floats:
    """ρ = Pearson's correlation of the mean ranks of two columns; in [−1, 1], nan without variation; (draws,).

    Spearman, American Journal of Psychology 15 (1904).
    """
    n = times.sum(1, keepdims=True)
    one, other = (ranks(values, times) for values in pairs.T)
    one, other = (each - (times * each).sum(1, keepdims=True) / n for each in (one, other))
    products = (times * one * other).sum(1)
    squares = (times * one**2).sum(1) * (times * other**2).sum(1)
    return np.clip(quotient(products, np.sqrt(squares)), -1, 1)


def precisions(rows: pd.DataFrame) -> pd.Series[float]:
    """The mean precision of each description, from 3 (accurate) to 0 (poor), by description_id."""
    answered = rows[rows["precision"].notna() & rows["description_id"].notna()]
    steps = {code: float(len(PRECISION.codes) - 1 - place) for place, code in enumerate(PRECISION.codes)}
    return answered["precision"].map(steps).astype("float64").groupby(answered["description_id"]).mean()


def _correlated(people: pd.Series[float], measured: pd.Series[float], seed: int) -> Estimate:
    both = pd.concat([people, measured.astype("float64")], axis=1, join="inner").dropna().to_numpy(dtype=np.float64)
    if len(both) < FEWEST:
        return Estimate(None, None, None, len(both), 0, FEW)
    return estimated(spearman, items_of(both, seed), len(both), NO_VARIATION)


def correlations(
    judgments: Counted, descriptions: pd.DataFrame, scores: pd.DataFrame, seed: int = 0
) -> list[Correlation]:
    """Every scorer's detection scores, then the support counts, against human precision.

    `descriptions` needs description_id and support, `scores` description_id, scorer and detection (both as in the
    atlas); rows are joined by description_id. Undefined with its reason, also where nothing was scored.
    """
    if "description_id" not in judgments.rows:
        return [Correlation(name, None, Estimate(None, None, None, 0, 0, NO_ID)) for name in ("detection", "support")]
    people = precisions(judgments.rows)
    found = []
    for scorer, rows in scores.groupby("scorer", sort=True):
        measured = rows.drop_duplicates("description_id", keep="last").set_index("description_id")["detection"]
        found.append(Correlation("detection", str(scorer), _correlated(people, measured, seed)))
    if not found:
        found.append(Correlation("detection", None, Estimate(None, None, None, 0, 0, FEW)))
    support = descriptions.drop_duplicates("description_id", keep="last").set_index("description_id")["support"]
    return [*found, Correlation("support", None, _correlated(people, support, seed))]
