"""The answers to one question as arrays: who gave which item which answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from annotation.bootstrap import Counts
from annotation.form import Question


@dataclass(frozen=True)
class Ratings:
    """`answers` (items, annotators) holds the number of the answer given, −1 without one; `counts` (items, answers)
    how many gave each. Only items and annotators with an answer to this question are there.
    """

    question: Question
    items: pd.Index
    annotators: list[str]
    answers: Counts
    counts: Counts


def ratings(rows: pd.DataFrame, question: Question) -> Ratings:
    """The answers in `annotation.counting.Counted.rows`, items in the order of the rows, annotators by name."""
    answered = rows[rows[question.field].notna()]
    people = sorted(answered["annotator"].unique())
    item, items = pd.factorize(answered["key"])
    person = pd.Index(people).get_indexer(pd.Index(answered["annotator"]))
    code = pd.Index(question.codes).get_indexer(pd.Index(answered[question.field]))
    counts = np.zeros((len(items), len(question.codes)), dtype=np.int64)
    np.add.at(counts, (item, code), 1)
    answers = np.full((len(items), len(people)), -1, dtype=np.int64)
    answers[item, person] = code
    return Ratings(question, pd.Index(items), people, answers, counts)


def others_majority(found: Ratings, number: int) -> Counts:
    """What most others answered to each item that this annotator answered, −1 as in `majority`; (items,)."""
    own = found.answers[:, number]
    others = found.counts - (own[:, None] == np.arange(found.counts.shape[1]))
    return np.where(own >= 0, majority(others), -1)


def majority(counts: Counts) -> Counts:
    """The answer given most often to each item, −1 where there is none or the first place is shared; (items,)."""
    most = counts.max(1, initial=0)
    alone = ((counts == most[:, None]).sum(1) == 1) & (most > 0)
    return np.where(alone, counts.argmax(1), -1)
