"""What a study can be expected to show before anybody is paid: simulated studies through the report's own statistics.

A simulated answer is the pair of answers to question one and two. Each item has an answer of its own, drawn from the
shares of answers in the paper or in a pilot. Each annotator gives it with probability r, else an answer drawn anew from
the same shares. So the shares stay what they are, and Krippendorff's alpha of question one is r² in expectation: two
people who both give the item's answer agree, all others agree as often as chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd

from annotation.errors import SummaryError
from annotation.form import PRECISION, PRESENCE
from annotation.statistics import agreement
from annotation.statistics.bootstrap import Counts, group_equal_items
from annotation.statistics.clustered_rates import RateEstimate, estimate_rate
from annotation.statistics.judgments_table import CountedJudgments
from annotation.statistics.rates import HEADLINE_RATES, NO_JUDGMENTS, RATE_DEFINITIONS
from annotation.statistics.ratings import collect_ratings

COEFFICIENTS = {
    "krippendorff_alpha": agreement.krippendorff_alpha_nominal,
    "gwet_ac1": agreement.gwet_ac1,
}
ASSUMED_AGREEMENT = 0.6  # the paper has one answer a head, so it reports none
SIMULATED_STUDIES = 300
CONTROL_SHARES = (0.05, 0.1, 0.2, 0.3, 0.4)  # of controls that are accepted, for the power to tell them apart


@dataclass(frozen=True)
class AnswerModel:
    """How people are assumed to answer.

    `shares` is the share of each pair of answers to question one and two (None where two is not asked); they sum to 1.
    `agreement` is Krippendorff's alpha of question one, from 0 to 1. `seconds` is the time an item takes.
    """

    shares: Mapping[tuple[str, str | None], float]
    agreement: float
    seconds: float

    def rate(self, name: str) -> float:
        """The true value of one of `RATE_DEFINITIONS`; nan where no answer counts."""
        definition = RATE_DEFINITIONS[name]
        place = (PRESENCE, PRECISION).index(definition.question)
        base = sum(share for answer, share in self.shares.items() if answer[place] in definition.base_codes)
        accepted = sum(share for answer, share in self.shares.items() if answer[place] in definition.accepted_codes)
        return accepted / base if base else float("nan")

    def coefficient(self, name: str) -> float:
        """The true value of one of `COEFFICIENTS` for question one."""
        if name == "krippendorff_alpha":
            return self.agreement
        shares = np.array([sum(s for a, s in self.shares.items() if a[0] == code) for code in PRESENCE.codes])
        observed = self.agreement + (1 - self.agreement) * (shares**2).sum()
        expected = (shares * (1 - shares)).sum() / (len(shares) - 1)
        return float((observed - expected) / (1 - expected))


def answer_shares(presence: Mapping[str, float], precision: Mapping[str, float]) -> dict[tuple[str, str | None], float]:
    """The shares of pairs of answers, from counts of each question's answers."""
    total, judged = sum(presence.values()), sum(precision.values())
    shares: dict[tuple[str, str | None], float] = {}
    for code, count in presence.items():
        if code == "present_described" and judged:
            shares |= {(code, second): count / total * n / judged for second, n in precision.items()}
        else:
            shares[code, None] = count / total
    return shares


def model_of_pilot(judgments: CountedJudgments, seconds: float) -> AnswerModel:
    """The answers of a pilot as a model. Raises SummaryError if no item has two answers: they show the agreement."""
    rows = judgments.rows
    ratings = collect_ratings(rows, PRESENCE)
    alpha = agreement.estimate_coefficient(agreement.krippendorff_alpha_nominal, group_equal_items(ratings.counts, 0))
    if alpha.n == 0:
        raise SummaryError(
            "No item of the pilot was judged by two people, so it does not show how far people agree; judge some "
            "items twice, or plan with the paper's answers."
        )
    value = 1.0 if alpha.value is None else alpha.value  # every answer is the same
    shares = answer_shares(Counter(rows["presence"]), Counter(rows["precision"].dropna()))
    return AnswerModel(shares, min(1.0, max(0.0, value)), seconds)


@dataclass(frozen=True)
class Expectation:
    """A number that the study will report: its true value, the ends of its 95 % interval on average, and its coverage.

    `coverage` is the share of simulated studies whose interval holds the true value; `studies` is their number, without
    those in which there is no interval. Without any, the ends and the coverage are None.
    """

    value: float
    low: float | None
    high: float | None
    coverage: float | None
    studies: int


@dataclass(frozen=True)
class StudyForecast:
    """What a study is expected to report: rates, coefficients of question one, and its power by accepted controls.

    `power` gives for each share of accepted controls the share of simulated studies whose report tells the acceptance
    of true items from it: the 95 % interval of the difference lies above 0. It is empty without controls.
    """

    rates: dict[str, Expectation]
    coefficients: dict[str, Expectation]
    power: dict[float, float]


def forecast_study(
    model: AnswerModel,
    judgments_per_item: Sequence[int],
    judgments_per_control: Sequence[int] = (),
    studies: int = SIMULATED_STUDIES,
    seed: int = 0,
) -> StudyForecast:
    """Simulates studies in which each true item, and each control, gets so many judgments."""
    intervals: dict[str, list[tuple[float, float]]] = {name: [] for name in (*HEADLINE_RATES, *COEFFICIENTS)}
    shares = [share for share in CONTROL_SHARES if share < model.rate("recognised")]
    told_apart = np.zeros(len(shares))
    items = np.repeat(np.arange(len(judgments_per_item)), judgments_per_item)
    controls = np.repeat(np.arange(len(judgments_per_control)), judgments_per_control)
    for number in range(studies):
        random = np.random.default_rng([seed, number])
        answers = simulate_answers(model, items, random)
        for name, interval in _report_intervals(answers, items, number).items():
            intervals[name].append(interval)
        if len(controls):
            true = estimate_rate(*RATE_DEFINITIONS["recognised"].select(answers), items, NO_JUDGMENTS)
            for place, share in enumerate(shares):
                accepted = _simulate_acceptance(share, model.agreement, controls, random)
                chance = estimate_rate(accepted, np.ones_like(accepted), controls, NO_JUDGMENTS)
                told_apart[place] += is_higher(true, chance)
    return StudyForecast(
        {name: _expectation(model.rate(name), intervals[name]) for name in HEADLINE_RATES},
        {name: _expectation(model.coefficient(name), intervals[name]) for name in COEFFICIENTS},
        dict(zip(shares, (told_apart / studies).tolist(), strict=True)) if len(controls) else {},
    )


def simulate_answers(model: AnswerModel, items: Counts, random: np.random.Generator) -> pd.DataFrame:
    """One simulated answer to questions one and two for each entry of `items`, the number of its item."""
    pairs = list(model.shares)
    probabilities = np.array([model.shares[pair] for pair in pairs])
    probabilities /= probabilities.sum()
    own = random.choice(len(pairs), size=items.max(initial=-1) + 1, p=probabilities)
    follows = random.random(len(items)) < sqrt(model.agreement)
    drawn = np.where(follows, own[items], random.choice(len(pairs), size=len(items), p=probabilities))
    columns = {
        question.field: np.array([pair[place] for pair in pairs], dtype=object)[drawn]
        for place, question in enumerate((PRESENCE, PRECISION))
    }
    return pd.DataFrame(columns)


def _simulate_acceptance(share: float, alpha: float, items: Counts, random: np.random.Generator) -> np.ndarray:
    """Whether each judgment of a control accepts it."""
    own = random.random(items.max() + 1) < share
    follows = random.random(len(items)) < sqrt(alpha)
    return np.where(follows, own[items], random.random(len(items)) < share)


def _report_intervals(answers: pd.DataFrame, items: Counts, seed: int) -> dict[str, tuple[float, float]]:
    """The intervals that the report would give; nan for both ends where it gives none."""
    found: dict[str, tuple[float | None, float | None]] = {}
    for name, definition in HEADLINE_RATES.items():
        rate = estimate_rate(*definition.select(answers), items, definition.empty_base_reason)
        found[name] = rate.low, rate.high
    counts = np.zeros((items.max(initial=-1) + 1, len(PRESENCE.codes)), dtype=np.int64)
    np.add.at(counts, (items, pd.Index(PRESENCE.codes).get_indexer(pd.Index(answers["presence"]))), 1)
    grouped = group_equal_items(counts, seed)
    for name, coefficient in COEFFICIENTS.items():
        estimate = agreement.estimate_coefficient(coefficient, grouped)
        found[name] = estimate.low, estimate.high
    return {name: (np.nan, np.nan) if None in ends else ends for name, ends in found.items()}  # type: ignore[misc]


def is_higher(one: RateEstimate, other: RateEstimate) -> bool:
    """Whether the 95 % interval of the difference of two shares lies above 0; False where one has no interval.

    Its lower end is p₁ − p₂ − √((p₁ − l₁)² + (u₂ − p₂)²). Newcombe, Statistics in Medicine 17 (1998), method 10.
    """
    if one.value is None or other.value is None or one.low is None or other.high is None:
        return False
    return one.value - other.value > sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)


def _expectation(value: float, intervals: Sequence[tuple[float, float]]) -> Expectation:
    ends = np.array(intervals)
    ends = ends[~np.isnan(ends).any(1)]
    if not len(ends):
        return Expectation(value, None, None, None, 0)
    low, high = ends.mean(0)
    covered = (ends[:, 0] <= value) & (value <= ends[:, 1])
    return Expectation(value, float(low), float(high), float(covered.mean()), len(ends))
