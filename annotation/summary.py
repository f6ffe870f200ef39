"""Judgments that count → what the pages, the dataset card and the report show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from annotation import agreement
from annotation.counting import Counted, SummaryError
from annotation.form import PRECISION, PRESENCE, QUESTIONS, Question, asked


@dataclass(frozen=True)
class Share:
    """`count` of `n` judgments; the value is None where n is 0."""

    value: float | None
    count: int
    n: int


@dataclass(frozen=True)
class QuestionReport:
    """The answers to one question: items and judgments that have one, and how far they agree.

    `blank` counts judgments without an answer where the form asks for one, `unasked` those with an answer where
    it does not; the latter count like any other.
    """

    n_items: int
    n_judgments: int
    blank: int
    unasked: int
    coefficients: dict[str, agreement.Estimate]
    cohen_kappa: list[agreement.PairEstimate]


@dataclass(frozen=True)
class Report:
    """Everything that the agreement page and `agreement --json` say of a table of judgments."""

    items: int
    annotators: int
    judgments: int
    left_out: dict[str, int]
    questions: dict[str, QuestionReport]
    headline: dict[str, Share]

    def as_json(self) -> dict[str, Any]:
        """The object of `agreement --json`: plain dicts, lists, numbers and None."""
        whole = asdict(self)
        for question in whole["questions"].values():
            question |= question.pop("coefficients")
        return whole


def _question_report(rows: pd.DataFrame, question: Question, seed: int) -> QuestionReport:
    applies = np.array([question.field in asked(presence) for presence in rows["presence"]], dtype=bool)
    given = rows[question.field].notna().to_numpy(dtype=bool)
    answered = rows[given]
    people = sorted(answered["annotator"].unique())
    item, items = pd.factorize(answered["key"])
    person = pd.Index(people).get_indexer(pd.Index(answered["annotator"]))
    code = pd.Index(question.codes).get_indexer(pd.Index(answered[question.field]))
    counts = np.zeros((len(items), len(question.codes)), dtype=np.int64)
    np.add.at(counts, (item, code), 1)
    answers = np.full((len(items), len(people)), -1, dtype=np.int64)
    answers[item, person] = code
    times = agreement.resamples(len(items), seed)
    alpha = agreement.krippendorff_ordinal if question is PRECISION else agreement.krippendorff_nominal
    coefficients: dict[str, agreement.Coefficient] = {
        "percent": agreement.percent,
        "fleiss_kappa": agreement.fleiss_kappa,
        "krippendorff_alpha": alpha,
        "gwet_ac1": agreement.gwet_ac1,
    }
    if question is PRECISION:
        coefficients["gwet_ac2"] = agreement.gwet_ac2
    return QuestionReport(
        n_items=len(items),
        n_judgments=len(answered),
        blank=int((applies & ~given).sum()),
        unasked=int((given & ~applies).sum()),
        coefficients={name: agreement.estimate(each, counts, times) for name, each in coefficients.items()},
        cohen_kappa=agreement.cohen_kappas(answers, people, times, len(question.codes)),
    )


def _headline(rows: pd.DataFrame) -> dict[str, Share]:
    """The paper's four numbers (its appendix on human evaluation), by judgment."""
    presence = {code: int((rows["presence"] == code).sum()) for code in PRESENCE.codes}
    failures = presence["absent_described"] + presence["present_missed"]
    visible = presence["present_missed"] + presence["present_described"]
    counts = {
        "correct": (presence["absent_none"] + presence["present_described"], len(rows)),
        "false_patterns_among_failures": (presence["absent_described"], failures),
        "visible_patterns_described": (presence["present_described"], visible),
        "poor": (int((rows["precision"] == "poor").sum()), int(rows["precision"].notna().sum())),
    }
    return {name: Share(count / n if n else None, count, n) for name, (count, n) in counts.items()}


def report(judgments: Counted, seed: int = 0) -> Report:
    """Agreement by question with intervals over items from 1,000 seeded draws, and the headline numbers."""
    rows = judgments.rows
    return Report(
        items=int(rows["key"].nunique()),
        annotators=int(rows["annotator"].nunique()),
        judgments=len(rows),
        left_out=judgments.left_out,
        questions={question.field: _question_report(rows, question, seed) for question in QUESTIONS},
        headline=_headline(rows),
    )


def _tally(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Answers by the columns `by`: one row a group, question and code, also where the count is 0."""
    tables = []
    for question in QUESTIONS:
        answered = rows[rows[question.field].notna()]
        group = answered.groupby(by, dropna=False, sort=True).ngroup().to_numpy(dtype=np.int64)
        numbers, first = np.unique(group, return_index=True)
        size = len(question.codes)
        counts = np.zeros((len(numbers), size), dtype=np.int64)
        np.add.at(counts, (group, pd.Index(question.codes).get_indexer(pd.Index(answered[question.field]))), 1)
        table = answered[by].iloc[np.repeat(first, size)].reset_index(drop=True)
        table["question"] = question.field
        table["answer"] = list(question.codes) * len(numbers)
        table["label"] = [choice.label for choice in question.choices] * len(numbers)
        table["count"] = counts.ravel()
        table["n"] = np.repeat(counts.sum(1), size)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def by_item(judgments: Counted) -> pd.DataFrame:
    """How each item was answered: its own columns (study, model, layer, head, …), then question, answer, label,
    count and n, the number of answers to that question; one row a possible answer of each question answered.
    """
    return _tally(judgments.rows, judgments.parts)


def by_layer_quarter(judgments: Counted, layers: Mapping[str, int]) -> pd.DataFrame:
    """Answers by model, layer quarter and question; `layers` holds the number of layers of each model.

    Columns model, quarter (⌊4 · layer / layers⌋, from 0), question, answer, label, count, n. Raises
    SummaryError for a table without layers and a model whose layers are not known or fewer than its judgments
    say.
    """
    rows = judgments.rows
    if not {"model", "layer"} <= set(rows.columns) or rows[["model", "layer"]].isna().to_numpy().any():
        raise SummaryError("The table lacks model or layer, so its answers cannot be shown by layer quarter.")
    quarters = []
    for model, layer in zip(rows["model"], rows["layer"], strict=True):
        if layer >= layers.get(model, 0):
            raise SummaryError(f"Layer {layer} of {model} is not in its atlas, so it belongs to no layer quarter.")
        quarters.append(4 * layer // layers[model])
    return _tally(rows.assign(quarter=pd.Series(quarters, dtype="int64")), ["model", "quarter"])
