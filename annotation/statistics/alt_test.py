"""The alternative annotator test: may a language model take a person's place?

Each person is left out in turn. On each of their items, the model and the person are compared by how well they agree
with the other people. The model has an advantage where it agrees at least as well. A model costs less than a person, so
it may be a little worse: by ε. Calderon, Reichart and Dror, The Alternative Annotator Test for LLM-as-a-Judge (ACL
2025), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from annotation.form import PRECISION
from annotation.statistics.ratings import Ratings
from maps.distributions import student_t_cdf

EPSILONS = {"expert": 0.2, "skilled": 0.15, "crowd": 0.1}  # the paper's, by who the people are
ASSUMED_PEOPLE = "skilled"
MIN_ITEMS = 30  # of one person: with fewer the test assumes too much
FALSE_DISCOVERY_RATE = 0.05
WINNING_RATE_NEEDED = 0.5


@dataclass(frozen=True)
class LeftOutAnnotator:
    """One person, left out: on how many items they were compared with the model, and how the comparison ended.

    `advantage` is the share of items on which the model agrees with the others at least as well as the person.
    `p_value` is that of the hypothesis that the person's advantage exceeds the model's by ε or more.
    """

    annotator: str
    items: int
    advantage: float
    p_value: float
    is_beaten: bool


@dataclass(frozen=True)
class AltTest:
    """The result: `winning_rate` is the share of people whom the model beats, `advantage` the mean of their advantages.

    Both are None, with the `reason`, if nobody has enough items. `left_out` counts the people who have too few.
    """

    epsilon: float
    annotators: tuple[LeftOutAnnotator, ...]
    left_out: int
    winning_rate: float | None
    advantage: float | None
    reason: str | None

    @property
    def is_passed(self) -> bool:
        """Whether the model beats at least half of the people."""
        return self.winning_rate is not None and self.winning_rate >= WINNING_RATE_NEEDED


def run_alt_test(
    ratings: Ratings, model_answers: Mapping[object, str], epsilon: float, min_items: int = MIN_ITEMS
) -> AltTest:
    """The test on one question. `model_answers` has the model's codes by item, as in `ratings.items`.

    Items without an answer of the model, or with only one of a person, are left out.
    """
    codes = ratings.question.codes
    by_item = [codes.index(model_answers[item]) if item in model_answers else -1 for item in ratings.items]
    differences: dict[str, list[tuple[bool, bool]]] = {}
    for number, annotator, own in zip(ratings.item_numbers, ratings.annotator_numbers, ratings.codes, strict=True):
        model, others = by_item[number], ratings.counts[number].copy()
        others[own] -= 1
        if model >= 0 and others.sum():
            person_score, model_score = (_agreement(code, others, ratings) for code in (own, model))
            outcome = model_score >= person_score, person_score >= model_score
            differences.setdefault(ratings.annotators[annotator], []).append(outcome)
    compared = {name: each for name, each in differences.items() if len(each) >= min_items}
    if not compared:
        reason = f"nobody shares {min_items} items with the model and another person"
        return AltTest(epsilon, (), len(differences), None, None, reason)
    p_values = [_p_value(each, epsilon) for each in compared.values()]
    beaten = reject_by_benjamini_yekutieli(p_values, FALSE_DISCOVERY_RATE)
    annotators = tuple(
        LeftOutAnnotator(name, len(each), float(np.mean([wins for wins, _ in each])), p_values[n], n in beaten)
        for n, (name, each) in enumerate(compared.items())
    )
    advantage = float(np.mean([each.advantage for each in annotators]))
    left_out = len(differences) - len(compared)
    return AltTest(epsilon, annotators, left_out, len(beaten) / len(annotators), advantage, None)


def _agreement(code: int, others: np.ndarray, ratings: Ratings) -> float:
    """How well an answer agrees with those of others, counted by code: their share with the same one.

    Precision is ordered, so there it is minus the root mean square of the distance.
    """
    if ratings.question is PRECISION:
        distances = np.arange(len(others)) - code
        return -sqrt(float((others * distances**2).sum() / others.sum()))
    return float(others[code] / others.sum())


def _p_value(outcomes: Sequence[tuple[bool, bool]], epsilon: float) -> float:
    """Of the hypothesis that the mean difference of the person's and the model's advantage is ε or more: a t-test."""
    differences = np.array([float(person) - float(model) for model, person in outcomes])
    mean, deviation = differences.mean(), differences.std(ddof=1)
    if deviation == 0:
        return 0.0 if mean < epsilon else 1.0
    return student_t_cdf((mean - epsilon) / (deviation / sqrt(len(differences))), len(differences) - 1)


def reject_by_benjamini_yekutieli(p_values: Sequence[float], rate: float) -> set[int]:
    """The places of the hypotheses to reject, so that at most `rate` of them are expected to be rejected wrongly.

    With the m p-values in order, the k smallest are rejected for the largest k with p_k ≤ k · rate / (m Σ 1 / i). It
    holds whatever the tests have in common. Benjamini and Yekutieli, Annals of Statistics 29 (2001).
    """
    order, m = np.argsort(p_values), len(p_values)
    limits = np.arange(1, m + 1) * rate / (m * (1 / np.arange(1, m + 1)).sum())
    below = np.flatnonzero(np.asarray(p_values)[order] <= limits)
    return {int(place) for place in order[: below.max() + 1]} if len(below) else set()
