"""The answers to one question as arrays: who gave which item which answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from annotation.form import FormQuestion
from annotation.statistics.bootstrap import AnswerCodes, Counts


@dataclass(frozen=True)
class Ratings:
    """`answers` (items, annotators) holds the number of the answer given, −1 without one; `counts` (items, answers)
    how many gave each. Only items and annotators with an answer to this question are there.
    """

    question: FormQuestion
    items: pd.Index
    annotators: list[str]
    answers: AnswerCodes
    counts: Counts


def collect_ratings(rows: pd.DataFrame, question: FormQuestion) -> Ratings:
    """The answers in `annotation.statistics.judgments_table.CountedJudgments.rows`, items in the order of the rows, annotators by name."""
    answered = rows[rows[question.field].notna()]
    people = sorted(answered["annotator"].unique())
    item, items = pd.factorize(answered["key"])
    person = pd.Index(people).get_indexer(pd.Index(answered["annotator"]))
    code = pd.Index(question.codes).get_indexer(pd.Index(answered[question.field]))
    counts = np.zeros((len(items), len(question.codes)), dtype=np.int64)
    np.add.at(counts, (item, code), 1)
    answers = np.full((len(items), len(people)), -1, dtype=np.int16)
    answers[item, person] = code
    return Ratings(question, pd.Index(items), people, answers, counts)


def majority_codes_of_others(ratings: Ratings, number: int) -> AnswerCodes:
    """What most others answered to each item that this annotator answered, −1 as in `majority_codes`; (items,)."""
    own = ratings.answers[:, number]
    given = own >= 0
    rest = np.full_like(own, -1)
    rest[given] = majority_codes(ratings.counts[given] - np.eye(ratings.counts.shape[1], dtype=np.int64)[own[given]])
    return rest


def majority_codes(counts: Counts) -> Counts:
    """The answer given most often to each item, −1 where there is none or the first place is shared; (items,)."""
    most = counts.max(1, initial=0)
    alone = ((counts == most[:, None]).sum(1) == 1) & (most > 0)
    return np.where(alone, counts.argmax(1), -1)
