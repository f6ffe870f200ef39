"""Coefficients of agreement, each with its n and a bootstrap interval over items, or why it is undefined.

Everything starts from counts: an array (items, categories) of how many annotators gave an item a category. A
coefficient is a statistic (see `annotation.statistics.bootstrap`) of such counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from annotation.statistics.bootstrap import (
    AnswerCodes,
    BootstrapEstimate,
    BootstrapItems,
    Floats,
    Statistic,
    estimate_statistic,
    quotient_or_nan,
)

NO_PAIRS = "no item has two or more answers"
NO_VARIATION = "every answer is the same, so there is nothing to compare with chance"
NO_COMMON_ITEMS = "these two have answered no item both"


@dataclass(frozen=True)
class PairEstimate:
    """Cohen's kappa of two annotators over the `n` items that both answered; otherwise as `Estimate`."""

    pair: tuple[str, str]
    n: int
    value: float | None
    low: float | None
    high: float | None
    draws: int
    reason: str | None


def _observed_agreement(draw_counts: Floats, counts: Floats, weights: Floats) -> Floats:
    """Mean share of agreeing pairs over the items with two or more answers; (draws,).

    Item i with r answers, n_k of them k: Σ_k n_k (Σ_l w_kl n_l − 1) / (r (r − 1)).
    """
    answers = counts.sum(1)  # (items,)
    paired = answers >= 2
    pairs = (counts * (counts @ weights - 1)).sum(1)  # (items,)
    shares = np.where(paired, pairs / np.where(paired, answers * (answers - 1), 1.0), 0.0)
    return quotient_or_nan(draw_counts @ shares, draw_counts @ paired)


def _category_proportions(draw_counts: Floats, counts: Floats) -> Floats:
    """π_k: mean over the items with an answer of the share of answers k; (draws, categories)."""
    answers = counts.sum(1, keepdims=True)
    answered = answers >= 1
    shares = counts / np.where(answered, answers, 1.0)
    return quotient_or_nan(draw_counts @ shares, draw_counts @ answered)


def _correct_for_chance(observed: Floats, expected: Floats) -> Floats:
    return quotient_or_nan(observed - expected, 1 - expected)


def percent_agreement(draw_counts: Floats, counts: Floats) -> Floats:
    """Share of agreeing pairs of answers, averaged over the items with two or more; in [0, 1]; (draws,)."""
    return _observed_agreement(draw_counts, counts, np.eye(counts.shape[1]))


def fleiss_kappa(draw_counts: Floats, counts: Floats) -> Floats:
    """κ = (p_o − p_e) / (1 − p_e) with p_e = Σ π_k²; in [−1, 1]; (draws,).

    Fleiss, Psychological Bulletin 76 (1971); uneven numbers of raters as in Gwet, Handbook of Inter-Rater
    Reliability (4th ed., 2014): items with one answer count in π only.
    """
    return _correct_for_chance(
        percent_agreement(draw_counts, counts), (_category_proportions(draw_counts, counts) ** 2).sum(1)
    )


def ordinal_weights(categories: int) -> Floats:
    """Gwet's ordinal weights w_kl = 1 − C(|k − l| + 1, 2) / C(q, 2); (categories, categories)."""
    distance = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories)))
    return 1 - distance * (distance + 1) / (categories * (categories - 1))


def _gwet_coefficient(draw_counts: Floats, counts: Floats, weights: Floats) -> Floats:
    categories = counts.shape[1]
    shares = _category_proportions(draw_counts, counts)
    expected = weights.sum() / (categories * (categories - 1)) * (shares * (1 - shares)).sum(1)
    return _correct_for_chance(_observed_agreement(draw_counts, counts, weights), expected)


def gwet_ac1(draw_counts: Floats, counts: Floats) -> Floats:
    """AC1 = (p_o − p_e) / (1 − p_e) with p_e = Σ π_k (1 − π_k) / (q − 1); at most 1; (draws,).

    Gwet, British Journal of Mathematical and Statistical Psychology 61 (2008). q counts unused categories too.
    """
    return _gwet_coefficient(draw_counts, counts, np.eye(counts.shape[1]))


def gwet_ac2(draw_counts: Floats, counts: Floats) -> Floats:
    """AC1 with pairs of neighbouring categories counted in part, by `ordinal_weights`; at most 1; (draws,).

    p_e = Σ_kl w_kl / (q (q − 1)) · Σ π_k (1 − π_k). Gwet, Handbook of Inter-Rater Reliability (4th ed., 2014).
    """
    return _gwet_coefficient(draw_counts, counts, ordinal_weights(counts.shape[1]))


def _krippendorff_alpha(draw_counts: Floats, counts: Floats, distances: Callable[[Floats], Floats]) -> Floats:
    """α = 1 − (n − 1) Σ o_ck δ²_ck / Σ n_c n_k δ²_ck over the answers of items with two or more; (draws,).

    `distances` takes the n_c (draws, categories) and answers δ² (draws, categories, categories).
    """
    answers = counts.sum(1)
    paired = counts[answers >= 2]
    drawn = draw_counts[:, answers >= 2]
    size = counts.shape[1]
    pairs = paired[:, :, None] * paired[:, None, :] - paired[:, :, None] * np.eye(size)  # (items, c, k)
    pairs /= (paired.sum(1) - 1)[:, None, None]
    coincidences = (drawn @ pairs.reshape(len(paired), -1)).reshape(-1, size, size)  # (draws, c, k)
    totals = drawn @ paired  # (draws, c)
    delta = distances(totals)
    observed = (coincidences * delta).sum((1, 2))
    expected = (totals[:, :, None] * totals[:, None, :] * delta).sum((1, 2))
    return 1 - quotient_or_nan((totals.sum(1) - 1) * observed, expected)


def krippendorff_alpha_nominal(draw_counts: Floats, counts: Floats) -> Floats:
    """Krippendorff's α with δ² = 1 between any two categories; at most 1; (draws,).

    Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C.
    """
    size = counts.shape[1]
    return _krippendorff_alpha(
        draw_counts, counts, lambda totals: np.broadcast_to(1 - np.eye(size), (len(totals), size, size))
    )


def krippendorff_alpha_ordinal(draw_counts: Floats, counts: Floats) -> Floats:
    """Krippendorff's α with δ_ck = Σ_{g=c..k} n_g − (n_c + n_k) / 2, the distance of mean ranks; (draws,).

    Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section E.
    """

    def distances(totals: Floats) -> Floats:
        ranks = totals.cumsum(1) - totals / 2
        return (ranks[:, :, None] - ranks[:, None, :]) ** 2

    return _krippendorff_alpha(draw_counts, counts, distances)


def estimate_coefficient(coefficient: Statistic, items: BootstrapItems) -> BootstrapEstimate:
    """The coefficient of items that are rows of counts, with its interval, or the reason why there is none."""
    n = int(items.multiplicities[items.distinct_items.sum(1) >= 2].sum())
    if n == 0:
        return BootstrapEstimate(None, None, None, 0, 0, NO_PAIRS)
    return estimate_statistic(coefficient, items, n, NO_VARIATION)


def same_answer_share(draw_counts: Floats, joint: Floats) -> Floats:
    """The share of the items that both raters answered to which they gave the same answer; in [0, 1]; (draws,)."""
    return quotient_or_nan(draw_counts @ np.trace(joint, axis1=1, axis2=2), draw_counts @ joint.sum((1, 2)))


def cohen_kappa(draw_counts: Floats, joint: Floats) -> Floats:
    """κ = (p_o − p_e) / (1 − p_e) of two raters, p_e = Σ p_k q_k from each one's own shares; (draws,).

    `joint` (kinds, categories, categories) as in `joint_answers`. Cohen, Educational and Psychological Measurement 20
    (1960).
    """
    n = draw_counts @ joint.sum((1, 2))
    expected = quotient_or_nan(((draw_counts @ joint.sum(1)) * (draw_counts @ joint.sum(2))).sum(1), n**2)
    return _correct_for_chance(same_answer_share(draw_counts, joint), expected)


def joint_answers(first: AnswerCodes, second: AnswerCodes, categories: int, seed: int) -> BootstrapItems:
    """The items as two raters answered them, each kind a (categories, categories) table with a 1 at their answers.

    `first` and `second` (items,) hold the number of the category given, −1 without an answer; the table of an item
    that one of them did not answer is empty.
    """
    cells = categories**2
    places = first * categories + second
    places[(first < 0) | (second < 0)] = cells
    sizes = np.bincount(places, minlength=cells + 1)
    there = np.flatnonzero(sizes)
    tables = np.eye(cells + 1)[there, :cells].reshape(-1, categories, categories)
    return BootstrapItems(tables, sizes[there], seed)


def count_common_items(items: BootstrapItems) -> int:
    """How many items both raters answered, of `joint_answers`."""
    return int(items.multiplicities @ items.distinct_items.sum((1, 2)))


def estimate_cohen_kappa(items: BootstrapItems) -> BootstrapEstimate:
    """Cohen's kappa of two raters, from `joint_answers` of at least one item that both answered."""
    return estimate_statistic(cohen_kappa, items, count_common_items(items), NO_VARIATION)


def estimate_pairwise_kappas(
    answers: AnswerCodes, annotators: list[str], seed: int, categories: int
) -> list[PairEstimate]:
    """Cohen's kappa of every two annotators, in their order; `answers` (items, annotators) as for `joint_answers`."""
    columns = np.ascontiguousarray(answers.T)
    given = (columns >= 0).astype(np.float32)
    common = given @ given.T > 0  # (annotators, annotators): of many, most have no item in common
    nothing = BootstrapEstimate(None, None, None, 0, 0, NO_COMMON_ITEMS)
    found = []
    for first, second in combinations(range(len(annotators)), 2):
        met = common[first, second]
        each = (
            estimate_cohen_kappa(joint_answers(columns[first], columns[second], categories, seed)) if met else nothing
        )
        pair = (annotators[first], annotators[second])
        found.append(PairEstimate(pair, each.n, each.value, each.low, each.high, each.draws, each.reason))
    return found
