"""The agreement report: everything that the page, the dataset card and the command show about a table of judgments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from annotation.form import PRECISION, QUESTIONS, FormQuestion, applicable_fields
from annotation.statistics import agreement, rates
from annotation.statistics.annotators import MajorityComparison, compare_with_majority
from annotation.statistics.answer_counts import count_answers, layer_quarters
from annotation.statistics.bootstrap import BootstrapEstimate, Statistic, group_equal_items
from annotation.statistics.evidence import MeasureCorrelation
from annotation.statistics.judgments_table import CountedJudgments
from annotation.statistics.labels import LabelCounts, compute_labels, count_labels
from annotation.statistics.pairs import (
    MOST_LISTED,
    PairEstimate,
    PairSummary,
    estimate_pairwise_kappas,
    summarise_pairs,
)
from annotation.statistics.ratings import Ratings, collect_ratings
from maps.text import pluralize

NO_MODEL = "There are no results by model, because the table has no column model."


@dataclass(frozen=True)
class JudgmentShare:
    """A share of judgments, `count` of `n`; the value is None where n is 0."""

    value: float | None
    count: int
    n: int


@dataclass(frozen=True)
class QuestionReport:
    """The answers to one question: how many items and judgments have one, and how far they agree.

    `blank` counts judgments without an answer although the form asks for one, `unasked` judgments with an answer
    although the form does not ask; the latter count like any other. `cohen_kappa` lists every two annotators; of more
    than 20 annotators it is empty, and `pair_summary` summarises their pairs.
    """

    n_items: int
    n_judgments: int
    blank: int
    unasked: int
    coefficients: dict[str, BootstrapEstimate]
    cohen_kappa: list[PairEstimate]
    pair_summary: PairSummary | None


@dataclass(frozen=True)
class JudgmentGroup:
    """The judgments of one model, or of one of its layer quarters (0 to 3; None: all layers)."""

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
    """The groups, and a sentence about the judgments in no group (None if each is in one)."""

    groups: list[JudgmentGroup]
    reason: str | None


@dataclass(frozen=True)
class AgreementReport:
    """Everything that the agreement page and `agreement --json` show.

    `left_out` counts rows that do not count, by reason; `answers` counts answers by question and code; `majority`
    compares each annotator with the majority of the others; `controls` has the rates on true items and on each kind of
    control; `aggregated` counts the labels; `evidence` is None without an atlas.
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
    controls: dict[str, rates.AcceptanceRates]
    aggregated: dict[str, LabelCounts]
    evidence: list[MeasureCorrelation] | None

    def as_json(self) -> dict[str, Any]:
        """The object of `agreement --json` without the paper's numbers: dicts, lists, numbers and None.

        `cohen_kappa` is a list, or the summary of the pairs of more than 20 annotators.
        """
        report = asdict(self)
        for part in [report, *report["by_model"]["groups"], *report["by_quarter"]["groups"]]:
            for question in part["questions"].values():
                question |= question.pop("coefficients")
                if (summary := question.pop("pair_summary")) is not None:
                    question["cohen_kappa"] = summary
        return report


def estimate_coefficients(ratings: Ratings, seed: int) -> dict[str, BootstrapEstimate]:
    """The coefficients of one question by their names in the report; precision is ordered from best to worst."""
    is_ordered = ratings.question is PRECISION
    alpha = agreement.krippendorff_alpha_ordinal if is_ordered else agreement.krippendorff_alpha_nominal
    coefficients: dict[str, Statistic] = {
        "percent": agreement.percent_agreement,
        "fleiss_kappa": agreement.fleiss_kappa,
        "krippendorff_alpha": alpha,
        "gwet_ac1": agreement.gwet_ac1,
    }
    if is_ordered:
        coefficients["gwet_ac2"] = agreement.gwet_ac2
    items = group_equal_items(ratings.counts, seed)
    return {name: agreement.estimate_coefficient(each, items) for name, each in coefficients.items()}


def _applicable_fields_by_row(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    """The fields of the questions that are asked, for each row; worked out once for each combination of answers."""
    fields = [question.field for question in QUESTIONS]
    answers = list(zip(*(rows[field] for field in fields), strict=True))
    by_answers = {each: applicable_fields(dict(zip(fields, each, strict=True))) for each in set(answers)}
    return [by_answers[each] for each in answers]


def _question_report(
    rows: pd.DataFrame, question: FormQuestion, fields_by_row: Sequence[tuple[str, ...]], seed: int
) -> QuestionReport:
    applies = np.array([question.field in fields for fields in fields_by_row], dtype=np.bool_)
    answered = rows[question.field].notna().to_numpy(dtype=np.bool_)
    ratings = collect_ratings(rows, question)
    is_listed = len(ratings.annotators) <= MOST_LISTED
    return QuestionReport(
        n_items=len(ratings.items),
        n_judgments=int(answered.sum()),
        blank=int((applies & ~answered).sum()),
        unasked=int((answered & ~applies).sum()),
        coefficients=estimate_coefficients(ratings, seed),
        cohen_kappa=estimate_pairwise_kappas(ratings, seed) if is_listed else [],
        pair_summary=None if is_listed else summarise_pairs(ratings, seed),
    )


def _question_reports(rows: pd.DataFrame, seed: int) -> dict[str, QuestionReport]:
    fields_by_row = _applicable_fields_by_row(rows)
    return {question.field: _question_report(rows, question, fields_by_row, seed) for question in QUESTIONS}


def _headline_shares(acceptance: rates.AcceptanceRates) -> dict[str, JudgmentShare]:
    headline = {name: acceptance.rates[name] for name in rates.HEADLINE_RATES}
    return {name: JudgmentShare(rate.value, rate.count, rate.n) for name, rate in headline.items()}


def _summarise_group(rows: pd.DataFrame, model: str, quarter: int | None, seed: int) -> JudgmentGroup:
    return JudgmentGroup(
        model=model,
        quarter=quarter,
        items=int(rows["key"].nunique()),
        annotators=int(rows["annotator"].nunique()),
        judgments=len(rows),
        answers=count_answers(rows),
        questions=_question_reports(rows, seed),
        headline=_headline_shares(rates.compute_acceptance(rows)),
    )


def _break_down_by_model(rows: pd.DataFrame, seed: int) -> Breakdown:
    if "model" not in rows:
        return Breakdown([], NO_MODEL)
    models = sorted(rows["model"].dropna().unique())
    groups = [_summarise_group(rows[rows["model"] == model], model, None, seed) for model in models]
    missing = int(rows["model"].isna().sum())
    reason = f"Not in the results by model: {pluralize(missing, 'judgment')} without a model." if missing else None
    return Breakdown(groups, reason)


def _break_down_by_quarter(rows: pd.DataFrame, layers: Mapping[str, int], seed: int) -> Breakdown:
    quarters, reason = layer_quarters(rows, layers)
    if "model" not in rows:
        return Breakdown([], reason)
    groups = []
    for model in sorted(rows["model"].dropna().unique()):
        is_of_model = (rows["model"] == model).to_numpy(dtype=bool)
        for quarter in range(4):
            selected = is_of_model & (quarters == quarter)
            if selected.any():
                groups.append(_summarise_group(rows[selected], model, quarter, seed))
    return Breakdown(groups, reason)


def summarise_judgments(
    judgments: CountedJudgments,
    seed: int = 0,
    layers: Mapping[str, int] | None = None,
    evidence: Sequence[MeasureCorrelation] | None = None,
) -> AgreementReport:
    """The report on checked judgments, with intervals over items from 1,000 seeded draws.

    `layers` is the number of layers of each model, for the results by layer quarter; `evidence` comes from
    `evidence.correlate_measures`. Raises SummaryError if a model does not have a row's layer.
    """
    rows = judgments.rows
    acceptance = rates.compare_with_controls(rows, judgments.controls)
    majority = {each.field: compare_with_majority(collect_ratings(rows, each), seed) for each in QUESTIONS}
    return AgreementReport(
        items=int(rows["key"].nunique()),
        annotators=int(rows["annotator"].nunique()),
        judgments=len(rows),
        left_out=judgments.excluded_counts,
        questions=_question_reports(rows, seed),
        headline=_headline_shares(acceptance[rates.TRUE_ITEMS]),
        answers=count_answers(rows),
        by_model=_break_down_by_model(rows, seed),
        by_quarter=_break_down_by_quarter(rows, layers or {}, seed),
        majority=majority,
        controls=acceptance,
        aggregated=count_labels(compute_labels(judgments)),
        evidence=None if evidence is None else list(evidence),
    )
