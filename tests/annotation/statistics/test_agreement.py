"""Agreement against published worked examples, hand-worked fractions and another implementation."""

from __future__ import annotations

import warnings
from fractions import Fraction
from itertools import permutations
from math import comb

import krippendorff
import numpy as np
import pytest

from annotation.statistics import agreement
from annotation.statistics.bootstrap import ONE_ITEM_REASON, BootstrapEstimate, Counts, Statistic, group_equal_items

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
COEFFICIENTS: list[Statistic] = [
    agreement.percent_agreement,
    agreement.fleiss_kappa,
    agreement.krippendorff_alpha_nominal,
    agreement.krippendorff_alpha_ordinal,
    agreement.gwet_ac1,
    agreement.gwet_ac2,
]


def counts_of(answers: list[list[int | None]], categories: int) -> Counts:
    units = zip(*answers, strict=True)
    return np.array([[unit.count(code) for code in range(1, categories + 1)] for unit in units])


def value(coefficient: Statistic, counts: Counts | list[list[int]]) -> float | None:
    return agreement.estimate_coefficient(coefficient, group_equal_items(np.array(counts, dtype=np.int64), 0)).value


def test_krippendorffs_example_c_gives_the_published_numbers() -> None:
    counts = counts_of(EXAMPLE_C, 5)
    found = {coefficient.__name__: round(value(coefficient, counts) or 0, 3) for coefficient in COEFFICIENTS}
    assert found == {
        "percent_agreement": 0.818,
        "fleiss_kappa": 0.761,  # Gwet's irrCAC, which counts singly answered items in the marginals
        "krippendorff_alpha_nominal": 0.743,
        "krippendorff_alpha_ordinal": 0.815,
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
    assert value(agreement.percent_agreement, counts) == pytest.approx(float(observed))
    assert value(agreement.fleiss_kappa, counts) == pytest.approx(float(fleiss))
    assert value(agreement.gwet_ac1, counts) == pytest.approx(float(ac1))
    assert value(agreement.krippendorff_alpha_nominal, counts) == pytest.approx(1 / 3)
    # Two categories have one distance and no partial weight: ordinal equals nominal.
    assert value(agreement.krippendorff_alpha_ordinal, counts) == pytest.approx(1 / 3)
    assert value(agreement.gwet_ac2, counts) == pytest.approx(float(ac1))


def test_perfect_agreement_is_one() -> None:
    assert [value(each, [[3, 0, 0], [0, 2, 0], [0, 0, 4]]) for each in COEFFICIENTS] == [1.0] * 6


def test_systematic_disagreement_is_below_chance() -> None:
    counts = [[1, 1], [1, 1]]
    # κ: p_o = 0, p_e = 1/2, so −1; α = 1 − 3 · 4 / 8 = −1/2.
    assert value(agreement.percent_agreement, counts) == 0.0
    assert value(agreement.fleiss_kappa, counts) == -1.0
    assert value(agreement.gwet_ac1, counts) == -1.0
    assert value(agreement.krippendorff_alpha_nominal, counts) == -0.5


def test_no_variation_is_undefined_for_coefficients_that_compare_with_chance() -> None:
    items = group_equal_items(np.array([[2, 0, 0, 0], [3, 0, 0, 0]]), 0)
    undefined = BootstrapEstimate(None, None, None, 2, 0, agreement.NO_VARIATION)
    perfect = BootstrapEstimate(1.0, 1.0, 1.0, 2, 1000, None)
    assert [agreement.estimate_coefficient(each, items) for each in COEFFICIENTS] == [
        perfect,
        undefined,
        undefined,
        undefined,
        perfect,
        perfect,
    ]


@pytest.mark.parametrize("counts", [np.zeros((0, 4), dtype=np.int64), np.array([[1, 0, 0, 0], [0, 1, 0, 0]])])
def test_without_an_item_answered_twice_everything_is_undefined(counts: Counts) -> None:
    nothing = BootstrapEstimate(None, None, None, 0, 0, agreement.NO_PAIRS)
    assert [agreement.estimate_coefficient(each, group_equal_items(counts, 0)) for each in COEFFICIENTS] == [
        nothing
    ] * 6


def test_one_item_has_a_value_and_no_interval() -> None:
    found = agreement.estimate_coefficient(agreement.percent_agreement, group_equal_items(np.array([[1, 1]]), 0))
    assert found == BootstrapEstimate(0.0, None, None, 1, 0, ONE_ITEM_REASON)


@pytest.mark.parametrize("seed", range(20))
def test_alpha_equals_another_implementation_on_random_data(seed: int) -> None:
    random = np.random.default_rng(seed)
    counts = random.multinomial(random.integers(0, 6), random.dirichlet(np.ones(4)), size=30)
    counts[random.random(30) < 0.3] //= 2
    levels = {"nominal": agreement.krippendorff_alpha_nominal, "ordinal": agreement.krippendorff_alpha_ordinal}
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
        one, same, other = (
            agreement.estimate_coefficient(coefficient, group_equal_items(counts, seed)) for seed in (0, 0, 1)
        )
        assert one == same
        assert (one.low, one.high) != (other.low, other.high)
        assert one.value is not None
        assert one.low is not None
        assert one.high is not None
        assert one.low < one.value < one.high


def test_the_bootstrap_is_that_of_drawing_items_one_by_one() -> None:
    items = group_equal_items(np.concatenate([counts_of(EXAMPLE_C, 5)] * 2), 0)
    assert items.draw_counts.sum(1).tolist() == [24.0] * 1000
    for coefficient in COEFFICIENTS:
        drawn = coefficient(items.draw_counts, items.distinct_items)
        for draw in range(20):
            repeated = np.repeat(items.distinct_items, items.draw_counts[draw].astype(int), axis=0).astype(np.int64)
            assert drawn[draw] == pytest.approx(value(coefficient, repeated))


def test_the_order_of_the_items_changes_no_interval() -> None:
    counts = np.array(FLEISS)
    one, other = (
        agreement.estimate_coefficient(agreement.gwet_ac1, group_equal_items(each, 0))
        for each in (counts, counts[::-1])
    )
    assert one == other


def test_an_interval_is_that_of_items_drawn_one_by_one_by_another_generator() -> None:
    counts, random = np.array(FLEISS), np.random.RandomState(7)
    found = agreement.estimate_coefficient(agreement.fleiss_kappa, group_equal_items(counts, 0))
    once = np.ones((1, 30))
    values = [agreement.fleiss_kappa(once, counts[random.randint(30, size=30)].astype(float))[0] for _ in range(4000)]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(values, (2.5, 97.5))), abs=0.015)


def plain(counts: Counts, weights: list[list[float]]) -> tuple[float, float, float]:
    """Percent, Fleiss' kappa and Gwet's coefficient as their authors write them, a pair of answers at a time."""
    size, answered = len(weights), [row for row in counts.tolist() if sum(row)]
    units = [[code for code in range(size) for _ in range(row[code])] for row in answered]
    pairs = [[weights[one][other] for one, other in permutations(unit, 2)] for unit in units if len(unit) > 1]
    observed = sum(sum(each) / len(each) for each in pairs) / len(pairs)
    shares = [sum(row[code] / sum(row) for row in answered) / len(answered) for code in range(size)]
    fleiss = sum(share**2 for share in shares)
    gwet = sum(map(sum, weights)) / (size * (size - 1)) * sum(share * (1 - share) for share in shares)
    return observed, (observed - fleiss) / (1 - fleiss), (observed - gwet) / (1 - gwet)


@pytest.mark.parametrize("seed", range(20))
def test_percent_fleiss_and_gwet_equal_their_formulas_written_out(seed: int) -> None:
    random = np.random.default_rng(seed)
    raters = random.integers(0, 6, size=30)
    counts = np.array([random.multinomial(each, random.dirichlet(np.ones(4))) for each in (*raters, 2)])
    equal = plain(counts, np.eye(4).tolist())
    ordered = plain(counts, [[1 - comb(abs(k - m) + 1, 2) / comb(4, 2) for m in range(4)] for k in range(4)])
    assert value(agreement.percent_agreement, counts) == pytest.approx(equal[0])
    assert value(agreement.fleiss_kappa, counts) == pytest.approx(equal[1])
    assert value(agreement.gwet_ac1, counts) == pytest.approx(equal[2])
    assert value(agreement.gwet_ac2, counts) == pytest.approx(ordered[2])
