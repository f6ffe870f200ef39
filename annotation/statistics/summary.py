"""Judgments that count → what the pages, the dataset card and the report show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from annotation.form import PRECISION, QUESTIONS, FormQuestion, applicable_fields
from annotation.statistics import agreement
from annotation.statistics.annotators import MajorityComparison, compare_with_majority
from annotation.statistics.answer_counts import count_answers, layer_quarters
from annotation.statistics.bootstrap import BootstrapEstimate, Statistic, group_equal_items
from annotation.statistics.evidence import MeasureCorrelation
from annotation.statistics.judgments_table import CountedJudgments
from annotation.statistics.labels import LabelCounts, compute_labels, count_labels
from annotation.statistics.rates import (
    HEADLINE_RATES,
    TRUE_ITEMS,
    AcceptanceRates,
    compare_with_controls,
    compute_acceptance,
)
from annotation.statistics.ratings import Ratings, collect_ratings

NO_MODEL = "The table has no model, so nothing is told by model."


@dataclass(frozen=True)
class JudgmentShare:
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
    coefficients: dict[str, BootstrapEstimate]
    cohen_kappa: list[agreement.PairEstimate]


@dataclass(frozen=True)
class JudgmentGroup:
    """The judgments of one model, or of one of its layer quarters (from 0; None: all layers)."""

    model: str
    quarter: int | None
    items: int
    annotators: int
    judgments: int
    answers: dict[str, dict[str, int]]
    questions: dict[str, QuestionReport]
    headline: dict[str, JudgmentShare]


@dataclass(frozen=True)
class Breakdown:
    """The groups, and in a sentence what belongs to none; None where everything belongs to one."""

    groups: list[JudgmentGroup]
    reason: str | None


@dataclass(frozen=True)
class AgreementReport:
    """Everything that the agreement page and `agreement --json` say of a table of judgments.

    `answers` counts them by question and code, `majority` sets each annotator beside the majority of the others,
    `controls` has the rates on true items and on each kind of control, `evidence` is None where none was asked for.
    """

    items: int
    annotators: int
    judgments: int
    left_out: dict[str, int]
    questions: dict[str, QuestionReport]
    headline: dict[str, JudgmentShare]
    answers: dict[str, dict[str, int]]
    by_model: Breakdown
    by_quarter: Breakdown
    majority: dict[str, list[MajorityComparison]]
    controls: dict[str, AcceptanceRates]
    aggregated: dict[str, LabelCounts]
    evidence: list[MeasureCorrelation] | None

    def as_json(self) -> dict[str, Any]:
        """The object of `agreement --json`, the paper's numbers apart: plain dicts, lists, numbers and None."""
        whole = asdict(self)
        groups = [*whole["by_model"]["groups"], *whole["by_quarter"]["groups"]]
        for question in (question for each in [whole, *groups] for question in each["questions"].values()):
            question |= question.pop("coefficients")
        return whole


def estimate_coefficients(ratings: Ratings, seed: int) -> dict[str, BootstrapEstimate]:
    """The coefficients of one question by their names in the report."""
    ordered = ratings.question is PRECISION
    chosen: dict[str, Statistic] = {
        "percent": agreement.percent_agreement,
        "fleiss_kappa": agreement.fleiss_kappa,
        "krippendorff_alpha": agreement.krippendorff_alpha_ordinal if ordered else agreement.krippendorff_alpha_nominal,
        "gwet_ac1": agreement.gwet_ac1,
    }
    if ordered:
        chosen["gwet_ac2"] = agreement.gwet_ac2
    items = group_equal_items(ratings.counts, seed)
    return {name: agreement.estimate_coefficient(each, items) for name, each in chosen.items()}


def _question_report(rows: pd.DataFrame, question: FormQuestion, seed: int) -> QuestionReport:
    applies = np.array([question.field in applicable_fields(presence) for presence in rows["presence"]], dtype=bool)
    given = rows[question.field].notna().to_numpy(dtype=bool)
    found = collect_ratings(rows, question)
    return QuestionReport(
        n_items=len(found.items),
        n_judgments=int(given.sum()),
        blank=int((applies & ~given).sum()),
        unasked=int((given & ~applies).sum()),
        coefficients=estimate_coefficients(found, seed),
        cohen_kappa=agreement.estimate_pairwise_kappas(found.answers, found.annotators, seed, len(question.codes)),
    )


def _question_reports(rows: pd.DataFrame, seed: int) -> dict[str, QuestionReport]:
    return {question.field: _question_report(rows, question, seed) for question in QUESTIONS}


def _headline_shares(acceptance: AcceptanceRates) -> dict[str, JudgmentShare]:
    """The paper's four numbers (its appendix on human evaluation), by judgment."""
    return {
        name: JudgmentShare(each.value, each.count, each.n)
        for name, each in acceptance.rates.items()
        if name in HEADLINE_RATES
    }


def _summarise_group(rows: pd.DataFrame, model: str, quarter: int | None, seed: int) -> JudgmentGroup:
    return JudgmentGroup(
        model=model,
        quarter=quarter,
        items=int(rows["key"].nunique()),
        annotators=int(rows["annotator"].nunique()),
        judgments=len(rows),
        answers=count_answers(rows),
        questions=_question_reports(rows, seed),
        headline=_headline_shares(compute_acceptance(rows, seed)),
    )


def _break_down_by_model(rows: pd.DataFrame, seed: int) -> Breakdown:
    if "model" not in rows:
        return Breakdown([], NO_MODEL)
    models = sorted(rows["model"].dropna().unique())
    left = int(rows["model"].isna().sum())
    reason = f"{left:,} judgments name no model: left out by model." if left else None
    return Breakdown([_summarise_group(rows[rows["model"] == model], model, None, seed) for model in models], reason)


def _break_down_by_quarter(rows: pd.DataFrame, layers: Mapping[str, int], seed: int) -> Breakdown:
    numbers, reason = layer_quarters(rows, layers)
    if "model" not in rows:
        return Breakdown([], reason)
    groups = []
    for model in sorted(rows["model"].dropna().unique()):
        own = (rows["model"] == model).to_numpy(dtype=bool)
        groups += [
            _summarise_group(rows[own & (numbers == q)], model, q, seed)
            for q in range(4)
            if (own & (numbers == q)).any()
        ]
    return Breakdown(groups, reason)


def _compare_with_majority(rows: pd.DataFrame, seed: int) -> dict[str, list[MajorityComparison]]:
    found = {question.field: collect_ratings(rows, question) for question in QUESTIONS}
    return {field: compare_with_majority(each, seed) for field, each in found.items()}


def summarise_judgments(
    judgments: CountedJudgments,
    seed: int = 0,
    layers: Mapping[str, int] | None = None,
    evidence: Sequence[MeasureCorrelation] | None = None,
) -> AgreementReport:
    """Everything told of a study, with intervals over items from 1,000 seeded draws.

    `layers` holds the number of layers of each model, for the layer quarters; `evidence` is that of
    `annotation.statistics.evidence.correlate_measures`. Raises SummaryError for a layer that its model does not have.
    """
    rows = judgments.rows
    kinds = compare_with_controls(rows, judgments.controls, seed)
    return AgreementReport(
        items=int(rows["key"].nunique()),
        annotators=int(rows["annotator"].nunique()),
        judgments=len(rows),
        left_out=judgments.excluded_counts,
        questions=_question_reports(rows, seed),
        headline=_headline_shares(kinds[TRUE_ITEMS]),
        answers=count_answers(rows),
        by_model=_break_down_by_model(rows, seed),
        by_quarter=_break_down_by_quarter(rows, layers or {}, seed),
        majority=_compare_with_majority(rows, seed),
        controls=kinds,
        aggregated=count_labels(compute_labels(judgments)),
        evidence=None if evidence is None else list(evidence),
    )
