"""Labels by Dawid and Skene's model, in which each annotator has error rates of their own (package crowd-kit)."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from annotation.errors import DawidSkeneError
from annotation.form import QUESTIONS
from annotation.statistics.judgments_table import CountedJudgments

MAX_ITERATIONS, TOLERANCE = 1000, 1e-5
TIE_TOLERANCE = 1e-6  # two labels whose probabilities differ by less are a tie


def label_probabilities(answers: pd.DataFrame) -> pd.DataFrame:
    """The probability of each label for each item; rows items, columns labels, each row adding up to 1.

    `answers` has the columns task, worker and label. The model: annotator a answers l to an item whose true label is k
    with probability π_a(k, l), and true labels have frequencies p_k; expectation and maximisation alternate until both
    settle. P(k | answers) ∝ p_k ∏ π_a(k, answer of a). It starts from the shares of the answers, so equal answers give
    equal labels. Dawid and Skene, Applied Statistics 28 (1979). Raises DawidSkeneError.
    """
    try:
        from crowdkit.aggregation import DawidSkene  # an optional extra, and slow to import
    except ImportError as error:
        raise DawidSkeneError("Dawid and Skene's model needs crowd-kit; run `pip install crowd-kit==1.4.2`.") from error
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # crowd-kit's use of pandas
        model = DawidSkene(n_iter=MAX_ITERATIONS, tol=TOLERANCE).fit(answers)
    if len(model.loss_history_) == MAX_ITERATIONS:
        raise DawidSkeneError(f"Dawid and Skene's model did not converge within {MAX_ITERATIONS:,} iterations.")
    probabilities: pd.DataFrame = model.probas_
    return probabilities


def estimate_labels(judgments: CountedJudgments) -> dict[str, dict[str, tuple[str | None, float]]]:
    """The most probable label (None for a tie) and its probability, by question and item key."""
    labels = {}
    for question in QUESTIONS:
        rows = judgments.rows[judgments.rows[question.field].notna()]
        answers = pd.DataFrame({"task": rows["key"], "worker": rows["annotator"], "label": rows[question.field]})
        probabilities = label_probabilities(answers) if len(answers) else pd.DataFrame()
        labels[question.field] = {str(key): _most_probable_label(row) for key, row in probabilities.iterrows()}
    return labels


def _most_probable_label(row: pd.Series[float]) -> tuple[str | None, float]:
    highest = float(row.max())
    first = [str(label) for label, probability in row.items() if highest - probability < TIE_TOLERANCE]
    return (first[0] if len(first) == 1 else None), float(np.clip(highest, 0, 1))
