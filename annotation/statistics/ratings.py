"""The answers to one question as arrays: which annotator gave which item which answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from annotation.form import FormQuestion
from annotation.statistics.bootstrap import Counts


@dataclass(frozen=True)
class Ratings:
    """The answers to one question; items and annotators without an answer to it are left out.

    Each answer has its position in `items`, in `annotators` and in `question.codes`: `item_numbers`,
    `annotator_numbers` and `codes`, each (answers,), ordered by item and then by annotator. `counts` (items, codes)
    holds how many annotators gave each answer. No array is (items, annotators): memory grows with the answers.
    """

    question: FormQuestion
    items: pd.Index
    annotators: list[str]
    item_numbers: Counts
    annotator_numbers: Counts
    codes: Counts
    counts: Counts

    def answers_by_annotator(self) -> list[Counts]:
        """For each annotator the positions of their answers."""
        order = np.argsort(self.annotator_numbers, kind="stable")
        ends = np.bincount(self.annotator_numbers, minlength=len(self.annotators)).cumsum()
        return np.split(order, ends[:-1]) if self.annotators else []


def collect_ratings(rows: pd.DataFrame, question: FormQuestion) -> Ratings:
    """The answers in `CountedJudgments.rows`; items in the order of the rows, annotators sorted by name."""
    answered = rows[rows[question.field].notna()]
    annotators = sorted(answered["annotator"].unique())
    item_numbers, items = pd.factorize(answered["key"])
    annotator_numbers = pd.Index(annotators).get_indexer(pd.Index(answered["annotator"]))
    codes = pd.Index(question.codes).get_indexer(pd.Index(answered[question.field]))
    counts = np.zeros((len(items), len(question.codes)), dtype=np.int64)
    np.add.at(counts, (item_numbers, codes), 1)
    order = np.lexsort((annotator_numbers, item_numbers))
    return Ratings(
        question,
        pd.Index(items),
        annotators,
        item_numbers[order].astype(np.int64),
        annotator_numbers[order].astype(np.int64),
        codes[order].astype(np.int64),
        counts,
    )


def majority_codes_of_others(ratings: Ratings) -> Counts:
    """For each answer the majority of the other annotators on its item, −1 where they have none; (answers,)."""
    own_counts = np.eye(ratings.counts.shape[1], dtype=np.int64)[ratings.codes]
    return majority_codes(ratings.counts[ratings.item_numbers] - own_counts)


def majority_codes(counts: Counts) -> Counts:
    """The answer given most often to each item, −1 where there is none or a tie; `counts` (items, codes); (items,)."""
    most = counts.max(1, initial=0)
    has_majority = ((counts == most[:, None]).sum(1) == 1) & (most > 0)
    return np.where(has_majority, counts.argmax(1), -1)
