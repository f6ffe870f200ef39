"""One label an item: the majority, the organiser's decision, and what Dawid and Skene's model makes of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from annotation.form import QUESTIONS, FormQuestion
from annotation.statistics.judgments_table import CountedJudgments
from annotation.statistics.ratings import collect_ratings, majority_codes

LabelEstimates = Mapping[
    str, tuple[str | None, float]
]  # by item: the label (None where the first place is shared), its share


@dataclass(frozen=True)
class LabelCounts:
    """How the labels of one question fall: `labels` by code, adjudicated ones in place of the majority.

    `ties` counts the items whose first place is shared and that nobody adjudicated, `adjudicated` those decided by
    adjudication, `unanswered` those among them that the decision leaves without an answer to this question.
    """

    items: int
    labels: dict[str, int]
    ties: int
    adjudicated: int
    unanswered: int


def _latest_adjudications(judgments: CountedJudgments) -> dict[str, dict[Hashable, Any]]:
    """The newest adjudication of each item."""
    return {str(row["key"]): row for row in judgments.adjudications.to_dict("records")}


def _label_question(
    judgments: CountedJudgments, question: FormQuestion, estimates: LabelEstimates | None
) -> pd.DataFrame:
    found = collect_ratings(judgments.rows, question)
    codes = dict(enumerate(question.codes))
    decisions = _latest_adjudications(judgments)
    extra = [key for key, row in decisions.items() if row[question.field] is not None and key not in found.items]
    chosen = [codes.get(int(number)) for number in majority_codes(found.counts)] + [None] * len(extra)
    table = pd.DataFrame({"key": [*found.items, *extra]}, dtype=object)
    table["question"] = question.field
    table["n"] = [*found.counts.sum(1), *(0 for _ in extra)]
    table["majority"] = pd.Series(chosen, dtype=object)
    tied = [label is None and n > 0 for label, n in zip(chosen, table["n"], strict=True)]
    table["tie"] = pd.Series(tied, dtype=bool)
    table["adjudicated"] = pd.Series([key in decisions for key in table["key"]], dtype=bool)
    decided = [decisions[k][question.field] if k in decisions else m for k, m in zip(table["key"], chosen, strict=True)]
    table["label"] = pd.Series(decided, dtype=object)
    if estimates is not None:
        given = [estimates.get(key, (None, None)) for key in table["key"]]
        table["dawid_skene"] = pd.Series([label for label, _ in given], dtype=object)
        table["dawid_skene_probability"] = pd.Series([share for _, share in given], dtype="float64")
    return table


def compute_labels(judgments: CountedJudgments, estimates: Mapping[str, LabelEstimates] | None = None) -> pd.DataFrame:
    """One row an item and question that has an answer: the item's columns, question, n (answers), majority (null where
    the first place is shared: `tie`), adjudicated, label (the newest adjudication's answer, else the majority).

    With `estimates` (by question, `annotation.statistics.dawid_skene.estimate_labels`) also dawid_skene (null where two labels are
    equally probable) and dawid_skene_probability; they know nothing of adjudication.
    """
    tables = [_label_question(judgments, each, estimates[each.field] if estimates else None) for each in QUESTIONS]
    whole = pd.concat(tables, ignore_index=True)
    both = pd.concat([judgments.rows, judgments.adjudications], ignore_index=True)
    kept = [
        name for name in ("study", "model", "layer", "head", "item", "mapping_hash", "description_id") if name in both
    ]
    items = both[["key", *kept]].drop_duplicates("key")
    return items.merge(whole, on="key", sort=False).drop(columns="key")


def count_labels(table: pd.DataFrame) -> dict[str, LabelCounts]:
    """What `compute_labels` found, counted by question."""
    found = {}
    for question in QUESTIONS:
        rows = table[table["question"] == question.field]
        given = Counter(rows["label"].dropna())
        decided = rows["adjudicated"]
        found[question.field] = LabelCounts(
            items=len(rows),
            labels={code: given[code] for code in question.codes},
            ties=int((rows["tie"] & ~decided).sum()),
            adjudicated=int(decided.sum()),
            unanswered=int((decided & rows["label"].isna()).sum()),
        )
    return found
