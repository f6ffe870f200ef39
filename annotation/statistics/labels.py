"""One label for each item and question: the majority or the organiser's decision, and Dawid and Skene's label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from annotation.form import QUESTIONS, FormQuestion
from annotation.statistics.judgments_table import ITEM_KEY_COLUMNS, CountedJudgments
from annotation.statistics.ratings import collect_ratings, majority_codes

LabelEstimates = Mapping[str, tuple[str | None, float]]  # by item key: the label (None for a tie) and its probability


@dataclass(frozen=True)
class LabelCounts:
    """How many items have which label, for one question.

    `labels` counts items by code; where an item was adjudicated, the decision replaces the majority. `ties` counts tied
    items without a decision, `adjudicated` items with one, and `unanswered` those among them whose decision does not
    answer this question.
    """

    items: int
    labels: dict[str, int]
    ties: int
    adjudicated: int
    unanswered: int


def _label_question(
    judgments: CountedJudgments, question: FormQuestion, estimates: LabelEstimates | None
) -> pd.DataFrame:
    ratings = collect_ratings(judgments.rows, question)
    adjudications = judgments.adjudications
    # Rows are in the order of storing, so the newest decision on an item is the one that stays in the dictionary.
    decisions = dict(zip(adjudications["key"], adjudications[question.field], strict=True))
    only_adjudicated = [key for key, code in decisions.items() if code is not None and key not in ratings.items]
    keys = [*ratings.items, *only_adjudicated]
    answer_numbers = [*ratings.counts.sum(1), *(0 for _ in only_adjudicated)]
    majority = [question.codes[code] if code >= 0 else None for code in majority_codes(ratings.counts)]
    majority += [None] * len(only_adjudicated)
    ties = [code is None and n > 0 for code, n in zip(majority, answer_numbers, strict=True)]
    labels = [decisions.get(key, code) for key, code in zip(keys, majority, strict=True)]

    table = pd.DataFrame({"key": keys}, dtype=object)
    table["question"] = question.field
    table["n"] = answer_numbers
    table["majority"] = pd.Series(majority, dtype=object)
    table["tie"] = pd.Series(ties, dtype=bool)
    table["adjudicated"] = pd.Series([key in decisions for key in keys], dtype=bool)
    table["label"] = pd.Series(labels, dtype=object)
    if estimates is not None:
        estimated = [estimates.get(key, (None, None)) for key in keys]
        table["dawid_skene"] = pd.Series([label for label, _ in estimated], dtype=object)
        table["dawid_skene_probability"] = pd.Series([share for _, share in estimated], dtype="float64")
    return table


def compute_labels(judgments: CountedJudgments, estimates: Mapping[str, LabelEstimates] | None = None) -> pd.DataFrame:
    """The labels as a table, one row for each item and question that has an answer.

    Columns: the item's, then question, n (answers), majority (null for a tie), tie, adjudicated, and label: the newest
    decision, else the majority. With `estimates` by question (see `dawid_skene.estimate_labels`) also dawid_skene (null
    for a tie) and dawid_skene_probability, which do not use the decisions.
    """
    tables = [_label_question(judgments, each, estimates[each.field] if estimates else None) for each in QUESTIONS]
    rows = pd.concat([judgments.rows, judgments.adjudications], ignore_index=True)
    item_columns = [name for name in ITEM_KEY_COLUMNS if name in rows]
    items = rows[["key", *item_columns]].drop_duplicates("key")
    return items.merge(pd.concat(tables, ignore_index=True), on="key", sort=False).drop(columns="key")


def count_labels(table: pd.DataFrame) -> dict[str, LabelCounts]:
    """The labels of `compute_labels`, counted by question."""
    counts = {}
    for question in QUESTIONS:
        rows = table[table["question"] == question.field]
        is_adjudicated = rows["adjudicated"]
        by_code = Counter(rows["label"].dropna())
        counts[question.field] = LabelCounts(
            items=len(rows),
            labels={code: by_code[code] for code in question.codes},
            ties=int((rows["tie"] & ~is_adjudicated).sum()),
            adjudicated=int(is_adjudicated.sum()),
            unanswered=int((is_adjudicated & rows["label"].isna()).sum()),
        )
    return counts
