"""A language model's answers beside those of people: may it take a person's place, and what does it accept?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from annotation.form import QUESTIONS, FormQuestion
from annotation.statistics.agreement import compare_raters
from annotation.statistics.alt_test import AltTest, run_alt_test
from annotation.statistics.bootstrap import BootstrapEstimate
from annotation.statistics.evidence import correlate_with_people, mean_precision_by_description
from annotation.statistics.judgments_table import CountedJudgments, judgments_to_frame, select_counted_judgments
from annotation.statistics.rates import AcceptanceRates, compare_with_controls
from annotation.statistics.ratings import collect_ratings, majority_codes
from annotation.types import Judgment

NO_MAJORITY = "no item has both an answer of the model and a majority of people"


@dataclass(frozen=True)
class JudgeOnQuestion:
    """A judge on one question: the alt-test, and its agreement with the majority of people.

    `items` have an answer of the judge and a majority; `share` of equal answers (0 to 1), `kappa` is Cohen's.
    """

    alt_test: AltTest
    items: int
    share: BootstrapEstimate
    kappa: BootstrapEstimate


@dataclass(frozen=True)
class JudgeReport:
    """A judge: how many items it answered, the questions, its rates on true items and controls.

    `precision` is Spearman's ρ of its precision and people's mean precision, by description.
    """

    judge: str
    items: int
    questions: dict[str, JudgeOnQuestion]
    controls: dict[str, AcceptanceRates]
    precision: BootstrapEstimate


def judge_report(
    people: CountedJudgments, judge: str, answers: Sequence[Judgment], epsilon: float, seed: int = 0
) -> JudgeReport:
    """Compares a judge's answers with those of people who judged the same study."""
    own = select_counted_judgments(judgments_to_frame(answers))
    questions = {each.field: _compare_on_question(people.rows, own.rows, each, epsilon, seed) for each in QUESTIONS}
    precision = correlate_with_people(
        mean_precision_by_description(people.rows), mean_precision_by_description(own.rows), seed
    )
    controls = compare_with_controls(own.rows, own.controls)
    return JudgeReport(judge, int(own.rows["key"].nunique()), questions, controls, precision)


def _compare_on_question(
    people: pd.DataFrame, own: pd.DataFrame, question: FormQuestion, epsilon: float, seed: int
) -> JudgeOnQuestion:
    answered = own[own[question.field].notna()]
    answers = dict(zip(answered["key"], answered[question.field], strict=True))
    ratings = collect_ratings(people, question)
    majority = majority_codes(ratings.counts)
    model = pd.Index(question.codes).get_indexer(pd.Index([answers.get(item) for item in ratings.items], dtype=object))
    found = compare_raters(model, majority, len(question.codes), len(ratings.items), seed, NO_MAJORITY)
    return JudgeOnQuestion(run_alt_test(ratings, answers, epsilon), *found)
