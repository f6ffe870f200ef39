"""Coefficients of agreement, each with its n and bootstrap interval, or the reason why it is undefined.

All coefficients but Cohen's start from counts (items, categories): how many annotators gave an item a category. Each
is a `Statistic` (see bootstrap.py) with one value a draw. For every kappa, alpha and AC: 1 is perfect agreement, 0 is
the agreement expected by chance, below 0 is worse than chance. They differ in what they take for chance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.statistics.bootstrap import (
    BootstrapEstimate,
    BootstrapItems,
    Counts,
    Floats,
    Statistic,
    estimate_statistic,
    quotient_or_nan,
)

NO_PAIRS = "no item has two or more answers"
NO_VARIATION = "every answer is the same, so there is nothing to compare with chance"


def _observed_agreement(draw_counts: Floats, counts: Floats, weights: Floats) -> Floats:
    """p_o: the mean share of agreeing pairs of answers over the items with two or more answers; (draws,).

    An item with r answers, n_k of them k, has the share Σ_k n_k (Σ_l w_kl n_l − 1) / (r (r − 1)). Example without
    weights: 3 answers, two of them equal, have 1 agreeing pair of 3.
    """
    answers = counts.sum(1)  # (items,)
    paired = answers >= 2
    pairs = (counts * (counts @ weights - 1)).sum(1)  # (items,)
    shares = np.where(paired, pairs / np.where(paired, answers * (answers - 1), 1.0), 0.0)
    return quotient_or_nan(draw_counts @ shares, draw_counts @ paired)


def _category_proportions(draw_counts: Floats, counts: Floats) -> Floats:
    """π_k: the share of category k among an item's answers, averaged over items with an answer; (draws, categories)."""
    answers = counts.sum(1, keepdims=True)
    answered = answers >= 1
    shares = counts / np.where(answered, answers, 1.0)
    return quotient_or_nan(draw_counts @ shares, draw_counts @ answered)


def _correct_for_chance(observed: Floats, expected: Floats) -> Floats:
    return quotient_or_nan(observed - expected, 1 - expected)


def percent_agreement(draw_counts: Floats, counts: Floats) -> Floats:
    """p_o: the share of agreeing pairs of answers, averaged over the items with two or more answers.

    In [0, 1]; 1: all annotators agree on every item. Not corrected for chance. (draws,)
    """
    return _observed_agreement(draw_counts, counts, np.eye(counts.shape[1]))


def fleiss_kappa(draw_counts: Floats, counts: Floats) -> Floats:
    """κ = (p_o − p_e) / (1 − p_e) with p_e = Σ π_k²; at most 1; (draws,).

    Chance: two answers drawn from the shares of all answers are equal. Fleiss, Psychological Bulletin 76 (1971). Uneven
    numbers of annotators as in Gwet, Handbook of Inter-Rater Reliability (4th ed., 2014): items with one answer count
    in π only.
    """
    expected = (_category_proportions(draw_counts, counts) ** 2).sum(1)
    return _correct_for_chance(percent_agreement(draw_counts, counts), expected)


def ordinal_weights(categories: int) -> Floats:
    """Gwet's ordinal weights w_kl = 1 − C(|k − l| + 1, 2) / C(q, 2); (categories, categories).

    Of four categories, neighbours weigh 5/6, the two ends 0.
    """
    distance = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories)))
    return 1 - distance * (distance + 1) / (categories * (categories - 1))


def _gwet_coefficient(draw_counts: Floats, counts: Floats, weights: Floats) -> Floats:
    categories = counts.shape[1]
    proportions = _category_proportions(draw_counts, counts)
    expected = weights.sum() / (categories * (categories - 1)) * (proportions * (1 - proportions)).sum(1)
    return _correct_for_chance(_observed_agreement(draw_counts, counts, weights), expected)


def gwet_ac1(draw_counts: Floats, counts: Floats) -> Floats:
    """AC1 = (p_o − p_e) / (1 − p_e) with p_e = Σ π_k (1 − π_k) / (q − 1); at most 1; (draws,).

    q is the number of categories, unused ones included. Where nearly all answers are equal p_e is small, so AC1 stays
    high while kappa and alpha drop. Gwet, British Journal of Mathematical and Statistical Psychology 61 (2008).
    """
    return _gwet_coefficient(draw_counts, counts, np.eye(counts.shape[1]))


def gwet_ac2(draw_counts: Floats, counts: Floats) -> Floats:
    """AC2: AC1 for ordered categories, where a near miss counts in part (`ordinal_weights`); at most 1; (draws,).

    (p_o − p_e) / (1 − p_e) with the weighted p_o and p_e = Σ_kl w_kl / (q (q − 1)) · Σ π_k (1 − π_k). Gwet, Handbook
    of Inter-Rater Reliability (4th ed., 2014).
    """
    return _gwet_coefficient(draw_counts, counts, ordinal_weights(counts.shape[1]))


def _krippendorff_alpha(draw_counts: Floats, counts: Floats, distances: Callable[[Floats], Floats]) -> Floats:
    """α = 1 − (n − 1) Σ o_ck δ²_ck / Σ n_c n_k δ²_ck over the n answers to items with two or more answers; (draws,).

    o_ck counts the pairs (c, k) of answers to one item, each weighted with 1 / (answers − 1); n_c counts the answers c;
    δ_ck is the distance of two answers. `distances` takes n_c (draws, c) and returns δ² (draws, c, k).
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
    """Krippendorff's α for unordered categories: δ = 1 between any two different ones; at most 1; (draws,).

    Chance: two answers drawn without replacement from all answers. Krippendorff, Computing Krippendorff's
    Alpha-Reliability (2011), section C.
    """
    size = counts.shape[1]
    different = 1 - np.eye(size)
    return _krippendorff_alpha(draw_counts, counts, lambda n: np.broadcast_to(different, (len(n), size, size)))


def krippendorff_alpha_ordinal(draw_counts: Floats, counts: Floats) -> Floats:
    """Krippendorff's α for ordered categories: δ is the difference of mean ranks; at most 1; (draws,).

    δ_ck = Σ_{g=c..k} n_g − (n_c + n_k) / 2. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section E.
    """

    def distances(totals: Floats) -> Floats:
        ranks = totals.cumsum(1) - totals / 2
        return (ranks[:, :, None] - ranks[:, None, :]) ** 2

    return _krippendorff_alpha(draw_counts, counts, distances)


def estimate_coefficient(coefficient: Statistic, items: BootstrapItems) -> BootstrapEstimate:
    """The coefficient of items whose numbers are counts, with its interval, or the reason why it is undefined."""
    n = int(items.multiplicities[items.distinct_items.sum(1) >= 2].sum())
    if n == 0:
        return BootstrapEstimate(None, None, None, 0, 0, NO_PAIRS)
    return estimate_statistic(coefficient, items, n, NO_VARIATION)


def same_answer_share(draw_counts: Floats, joint: Floats) -> Floats:
    """p_o of two raters: the share of the items both answered to which they gave the same answer; in [0, 1]; (draws,).

    `joint` (distinct items, categories, categories) as in `joint_items`.
    """
    return quotient_or_nan(draw_counts @ np.trace(joint, axis1=1, axis2=2), draw_counts @ joint.sum((1, 2)))


def table_kappas(tables: Floats) -> Floats:
    """κ = (p_o − p_e) / (1 − p_e) with p_e = Σ p_k q_k of each table of two raters' answers; at most 1; (tables,).

    p_k and q_k are the shares of category k among each rater's answers. `tables` (tables, categories, categories) count
    the items by the answers of both. Cohen, Educational and Psychological Measurement 20 (1960).
    """
    n = tables.sum((1, 2))
    expected = quotient_or_nan((tables.sum(1) * tables.sum(2)).sum(1), n**2)
    return _correct_for_chance(quotient_or_nan(np.trace(tables, axis1=1, axis2=2), n), expected)


def cohen_kappa(draw_counts: Floats, joint: Floats) -> Floats:
    """Cohen's κ of two raters (`table_kappas`); `joint` (distinct items, …) as in `joint_items`; (draws,)."""
    return table_kappas(np.tensordot(draw_counts, joint, 1))


def tabulate_joint_answers(first: Counts, second: Counts, categories: int) -> Counts:
    """How many items have which answers by two raters; `first` and `second` (items,), −1 without an answer.

    (categories, categories); items that one of the two did not answer are not counted.
    """
    both = (first >= 0) & (second >= 0)
    cells = first[both] * categories + second[both]
    return np.bincount(cells, minlength=categories**2).reshape(categories, categories)


def compare_raters(
    first: Counts, second: Counts, categories: int, items: int, seed: int, undefined_reason: str
) -> tuple[int, BootstrapEstimate, BootstrapEstimate]:
    """On how many items two raters both have an answer, the share of equal answers, and Cohen's κ, with intervals.

    `first` and `second` are as in `tabulate_joint_answers`, `items` as in `joint_items`. `undefined_reason` is given
    where no item has both answers.
    """
    table = tabulate_joint_answers(first, second, categories)
    joint, n = joint_items(table, items, seed), int(table.sum())
    share = estimate_statistic(same_answer_share, joint, n, undefined_reason)
    return n, share, estimate_statistic(cohen_kappa, joint, n, NO_VARIATION) if n else share


def joint_items(table: NDArray[np.integer[Any]], items: int, seed: int) -> BootstrapItems:
    """The items as two raters answered them: a (categories, categories) table each, with a 1 at (first, second).

    `table` counts the items by the answers of both; the rest of the `items` has a table of zeros.
    """
    categories = len(table)
    multiplicities = np.append(table.reshape(-1), items - table.sum())
    occurring = np.flatnonzero(multiplicities)
    tables = np.eye(categories**2 + 1)[occurring, :-1].reshape(-1, categories, categories)
    return BootstrapItems(tables, multiplicities[occurring], seed)
