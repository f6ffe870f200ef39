"""The answers to one question as arrays: which annotator gave which item which answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from annotation.form import FormQuestion
from annotation.statistics.bootstrap import AnswerCodes, Counts


@dataclass(frozen=True)
class Ratings:
    """The answers to one question; items and annotators without an answer to it are left out.

    `answers` (items, annotators) holds the position of the answer in `question.codes`, −1 without an answer; `counts`
    (items, codes) holds how many annotators gave each answer.
    """

    question: FormQuestion
    items: pd.Index
    annotators: list[str]
    answers: AnswerCodes
    counts: Counts


def collect_ratings(rows: pd.DataFrame, question: FormQuestion) -> Ratings:
    """The answers in `CountedJudgments.rows`; items in the order of the rows, annotators sorted by name."""
    answered = rows[rows[question.field].notna()]
    annotators = sorted(answered["annotator"].unique())
    item_numbers, items = pd.factorize(answered["key"])
    annotator_numbers = pd.Index(annotators).get_indexer(pd.Index(answered["annotator"]))
    codes = pd.Index(question.codes).get_indexer(pd.Index(answered[question.field]))
    counts = np.zeros((len(items), len(question.codes)), dtype=np.int64)
    np.add.at(counts, (item_numbers, codes), 1)
    answers = np.full((len(items), len(annotators)), -1, dtype=np.int16)
    answers[item_numbers, annotator_numbers] = codes
    return Ratings(question, pd.Index(items), annotators, answers, counts)


def majority_codes_of_others(ratings: Ratings, number: int) -> AnswerCodes:
    """The majority of the other annotators on each item that annotator `number` answered, else −1; (items,)."""
    own = ratings.answers[:, number]
    answered = own >= 0
    own_counts = np.eye(ratings.counts.shape[1], dtype=np.int64)[own[answered]]
    majority = np.full_like(own, -1)
    majority[answered] = majority_codes(ratings.counts[answered] - own_counts)
    return majority


def majority_codes(counts: Counts) -> Counts:
    """The answer given most often to each item, −1 where there is none or a tie; `counts` (items, codes); (items,)."""
    most = counts.max(1, initial=0)
    has_majority = ((counts == most[:, None]).sum(1) == 1) & (most > 0)
    return np.where(has_majority, counts.argmax(1), -1)
