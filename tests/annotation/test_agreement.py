"""Agreement against published worked examples, hand-worked fractions and another implementation."""

from __future__ import annotations

import warnings
from fractions import Fraction

import krippendorff
import numpy as np
import pytest

from annotation import agreement
from annotation.agreement import Coefficient
from annotation.bootstrap import ONE_ITEM, Counts, Estimate, resamples

# Krippendorff (2011), example C: four observers, twelve units, five categories, answers missing.
EXAMPLE_C = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
# Fleiss (1971), table 1: thirty patients, six psychiatrists each, five diagnoses.
FLEISS = [
    *([0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0], [2, 0, 4, 0, 0]),
    *([0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6], [1, 0, 0, 5, 0], [1, 1, 0, 4, 0]),
    *([0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1], [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0]),
    *([0, 2, 0, 4, 0], [1, 0, 2, 0, 3], [0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0]),
    *([1, 0, 0, 4, 1], [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6]),
]
COEFFICIENTS: list[Coefficient] = [
    agreement.percent,
    agreement.fleiss_kappa,
    agreement.krippendorff_nominal,
    agreement.krippendorff_ordinal,
    agreement.gwet_ac1,
    agreement.gwet_ac2,
]


def counts_of(answers: list[list[int | None]], categories: int) -> Counts:
    units = zip(*answers, strict=True)
    return np.array([[unit.count(code) for code in range(1, categories + 1)] for unit in units])


def value(coefficient: Coefficient, counts: Counts | list[list[int]]) -> float | None:
    array = np.array(counts, dtype=np.int64)
    return agreement.estimate(coefficient, array, resamples(len(array), 0)).value


def test_krippendorffs_example_c_gives_the_published_numbers() -> None:
    counts = counts_of(EXAMPLE_C, 5)
    found = {coefficient.__name__: round(value(coefficient, counts) or 0, 3) for coefficient in COEFFICIENTS}
    assert found == {
        "percent": 0.818,
        "fleiss_kappa": 0.761,  # Gwet's irrCAC, which counts singly answered items in the marginals
        "krippendorff_nominal": 0.743,
        "krippendorff_ordinal": 0.815,
        "gwet_ac1": 0.775,
        "gwet_ac2": 0.899,  # irrCAC with ordinal weights
    }


def test_fleiss_example_gives_the_published_numbers() -> None:
    assert round(value(agreement.fleiss_kappa, FLEISS) or 0, 3) == 0.430
    assert round(value(agreement.gwet_ac1, FLEISS) or 0, 3) == 0.448


def test_a_small_table_with_uneven_raters_gives_the_fractions_worked_by_hand() -> None:
    counts = [[2, 0], [1, 2], [0, 1]]
    # Pairs: item 1: 1 of 1; item 2: 1 of 3; item 3 has none. p_o = (1 + 1/3) / 2 = 2/3.
    observed = Fraction(2, 3)
    # π_1 = (1 + 1/3 + 0) / 3 = 4/9, π_2 = 5/9. Fleiss: p_e = 16/81 + 25/81 = 41/81.
    fleiss = (observed - Fraction(41, 81)) / (1 - Fraction(41, 81))
    # AC1: p_e = (4/9 · 5/9 + 5/9 · 4/9) / (2 − 1) = 40/81.
    ac1 = (observed - Fraction(40, 81)) / (1 - Fraction(40, 81))
    # α: item 1 gives o_11 = 2; item 2: o_12 = o_21 = 1·2/2 = 1, o_22 = 2·1/2 = 1. n = 5, n_1 = 3, n_2 = 2.
    # α = 1 − (5 − 1) · (1 + 1) / (3·2 + 2·3) = 1 − 8/12 = 1/3.
    assert value(agreement.percent, counts) == pytest.approx(float(observed))
    assert value(agreement.fleiss_kappa, counts) == pytest.approx(float(fleiss))
    assert value(agreement.gwet_ac1, counts) == pytest.approx(float(ac1))
    assert value(agreement.krippendorff_nominal, counts) == pytest.approx(1 / 3)
    # Two categories have one distance and no partial weight: ordinal equals nominal.
    assert value(agreement.krippendorff_ordinal, counts) == pytest.approx(1 / 3)
    assert value(agreement.gwet_ac2, counts) == pytest.approx(float(ac1))


def test_perfect_agreement_is_one() -> None:
    assert [value(each, [[3, 0, 0], [0, 2, 0], [0, 0, 4]]) for each in COEFFICIENTS] == [1.0] * 6


def test_systematic_disagreement_is_below_chance() -> None:
    counts = [[1, 1], [1, 1]]
    # κ: p_o = 0, p_e = 1/2, so −1; α = 1 − 3 · 4 / 8 = −1/2.
    assert value(agreement.percent, counts) == 0.0
    assert value(agreement.fleiss_kappa, counts) == -1.0
    assert value(agreement.gwet_ac1, counts) == -1.0
    assert value(agreement.krippendorff_nominal, counts) == -0.5


def test_no_variation_is_undefined_for_coefficients_that_compare_with_chance() -> None:
    counts = np.array([[2, 0, 0, 0], [3, 0, 0, 0]])
    times = resamples(2, 0)
    undefined = Estimate(None, None, None, 2, 0, agreement.NO_VARIATION)
    perfect = Estimate(1.0, 1.0, 1.0, 2, 1000, None)
    assert [agreement.estimate(each, counts, times) for each in COEFFICIENTS] == [
        perfect,
        undefined,
        undefined,
        undefined,
        perfect,
        perfect,
    ]


@pytest.mark.parametrize("counts", [np.zeros((0, 4), dtype=np.int64), np.array([[1, 0, 0, 0], [0, 1, 0, 0]])])
def test_without_an_item_answered_twice_everything_is_undefined(counts: Counts) -> None:
    times = resamples(len(counts), 0)
    nothing = Estimate(None, None, None, 0, 0, agreement.NO_PAIRS)
    assert [agreement.estimate(each, counts, times) for each in COEFFICIENTS] == [nothing] * 6


def test_one_item_has_a_value_and_no_interval() -> None:
    found = agreement.estimate(agreement.percent, np.array([[1, 1]]), resamples(1, 0))
    assert found == Estimate(0.0, None, None, 1, 0, ONE_ITEM)


@pytest.mark.parametrize("seed", range(20))
def test_alpha_equals_another_implementation_on_random_data(seed: int) -> None:
    random = np.random.default_rng(seed)
    counts = random.multinomial(random.integers(0, 6), random.dirichlet(np.ones(4)), size=30)
    counts[random.random(30) < 0.3] //= 2
    levels = {"nominal": agreement.krippendorff_nominal, "ordinal": agreement.krippendorff_ordinal}
    for level, coefficient in levels.items():
        try:
            with warnings.catch_warnings(action="ignore"):
                expected = krippendorff.alpha(value_counts=counts, level_of_measurement=level)
        except (ValueError, AssertionError, ZeroDivisionError):
            assert value(coefficient, counts) is None
        else:
            assert value(coefficient, counts) == pytest.approx(expected)


def test_intervals_repeat_with_their_seed_and_hold_the_value() -> None:
    counts = np.array(FLEISS)
    for coefficient in COEFFICIENTS:
        one, same, other = (agreement.estimate(coefficient, counts, resamples(30, seed)) for seed in (0, 0, 1))
        assert one == same
        assert (one.low, one.high) != (other.low, other.high)
        assert one.value is not None
        assert one.low is not None
        assert one.high is not None
        assert one.low < one.value < one.high


def test_the_bootstrap_is_that_of_drawing_items_one_by_one() -> None:
    counts = counts_of(EXAMPLE_C, 5)
    times = resamples(12, 0)
    assert times.sum(1).tolist() == [12.0] * 1000
    for coefficient in COEFFICIENTS:
        drawn = coefficient(times, counts.astype(float))
        for draw in range(20):
            repeated = np.repeat(counts, times[draw].astype(int), axis=0)
            assert drawn[draw] == pytest.approx(value(coefficient, repeated))


def test_cohens_kappa_of_a_table_worked_by_hand() -> None:
    # 50 items, both yes 20, first yes only 5, second yes only 10, both no 15:
    # p_o = 35/50, p_e = 25/50 · 30/50 + 25/50 · 20/50 = 1/2, κ = (0.7 − 0.5) / 0.5 = 0.4.
    answers = np.array([[0, 0]] * 20 + [[0, 1]] * 5 + [[1, 0]] * 10 + [[1, 1]] * 15)
    (found,) = agreement.cohen_kappas(answers, ["a", "b"], resamples(50, 0), 2)
    assert (found.pair, found.n, found.draws, found.reason) == (("a", "b"), 50, 1000, None)
    assert found.value == pytest.approx(0.4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.4 < found.high


def test_cohens_kappa_of_gwets_abstractors_gives_the_published_number() -> None:
    table = [[13, 0, 0], [0, 20, 7], [0, 4, 56]]  # irrCAC, cont3x3abstractors: 0.7964094
    answers = np.array([[i, j] for i in range(3) for j in range(3) for _ in range(table[i][j])])
    (found,) = agreement.cohen_kappas(answers, ["a", "b"], resamples(100, 0), 3)
    assert found.value == pytest.approx(0.7964094)


def test_pairs_without_shared_items_or_variation_are_undefined() -> None:
    answers = np.array([[0, -1, 0], [0, -1, 0], [-1, 1, -1]])
    found = agreement.cohen_kappas(answers, ["a", "b", "c"], resamples(3, 0), 4)
    assert [(each.pair, each.n, each.value, each.reason) for each in found] == [
        (("a", "b"), 0, None, agreement.NO_SHARED),
        (("a", "c"), 2, None, agreement.NO_VARIATION),
        (("b", "c"), 0, None, agreement.NO_SHARED),
    ]
