"""Dawid and Skene's model of annotators who err each in their own way, by the package crowd-kit."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from annotation.errors import DawidSkeneError
from annotation.form import QUESTIONS
from annotation.statistics.judgments_table import CountedJudgments

MAX_ITERATIONS, TOLERANCE = 1000, 1e-5
TIE_TOLERANCE = 1e-6  # two labels whose probabilities differ by less share the first place


def label_probabilities(answers: pd.DataFrame) -> pd.DataFrame:
    """How probable each label is for each item; rows items, columns labels, each row adding up to 1.

    `answers` has the columns task, worker and label. Starts from the shares of the answers, as Dawid and Skene do
    (Applied Statistics 28, 1979), so the same answers give the same labels. Raises DawidSkeneError.
    """
    try:
        from crowdkit.aggregation import DawidSkene  # an optional extra, and slow to load
    except ImportError as error:
        raise DawidSkeneError(
            "The labels of Dawid and Skene's model need crowd-kit; install it with `pip install crowd-kit==1.4.2`, or "
            "leave them out with --majority-only."
        ) from error
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # crowd-kit's, of coming pandas
        model = DawidSkene(n_iter=MAX_ITERATIONS, tol=TOLERANCE).fit(answers)
    if len(model.loss_history_) == MAX_ITERATIONS:
        raise DawidSkeneError(
            f"Dawid and Skene's model has not settled after {MAX_ITERATIONS:,} rounds; leave it out with --majority-only."
        )
    found: pd.DataFrame = model.probas_
    return found


def estimate_labels(judgments: CountedJudgments) -> dict[str, dict[str, tuple[str | None, float]]]:
    """By question and item key: the most probable label, None where two are equally so, and its probability."""
    found = {}
    for question in QUESTIONS:
        rows = judgments.rows[judgments.rows[question.field].notna()]
        answers = pd.DataFrame({"task": rows["key"], "worker": rows["annotator"], "label": rows[question.field]})
        table = label_probabilities(answers) if len(answers) else pd.DataFrame()
        found[question.field] = {str(key): _most_probable_label(row) for key, row in table.iterrows()}
    return found


def _most_probable_label(row: pd.Series[float]) -> tuple[str | None, float]:
    most = float(row.max())
    first = [str(label) for label, share in row.items() if most - share < TIE_TOLERANCE]
    return (first[0] if len(first) == 1 else None), float(np.clip(most, 0, 1))
