"""Pearson's correlation against published and hand-worked values."""

from __future__ import annotations

import pytest

from maps.distributions import incomplete_beta
from maps.experiments.pearson import pearson, two_sided_p_value


def test_a_hand_worked_example() -> None:
    # x̄ = 2.5, ȳ = 3: Σ(x-x̄)(y-ȳ) = 1.5·1 + 0.5·1 + 0.5·0 + 1.5·2 = 5; Σ(x-x̄)² = 5, Σ(y-ȳ)² = 6; r = 5/√30
    # n = 4: t has two degrees of freedom, whose two-sided p is 1 - |t|/√(2 + t²) = 1 - |r|
    found = pearson([1, 2, 3, 4], [2, 2, 3, 5])
    assert found.value == pytest.approx(5 / 30**0.5, rel=1e-14)
    assert found.p_value == pytest.approx(1 - 5 / 30**0.5, rel=1e-12)


def test_anscombes_quartet_has_its_published_correlation_and_p() -> None:
    x = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5]
    y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]
    found = pearson(x, y)
    assert found.value == pytest.approx(0.81642, abs=5e-6)
    assert found.p_value == pytest.approx(0.00217, abs=5e-6)  # as R prints it


@pytest.mark.parametrize(("r", "n"), [(0.632, 10), (0.361, 30), (0.197, 100)])
def test_the_tables_critical_values_are_met(r: float, n: int) -> None:
    assert two_sided_p_value(r, n) == pytest.approx(0.05, abs=6e-4)  # critical r at 5 %, two-sided, in any textbook


@pytest.mark.parametrize("r", [0.2, -0.7])
def test_with_three_points_p_is_that_of_an_angle(r: float) -> None:
    # one degree of freedom, Cauchy's distribution: p = 1 - (2/π) asin|r|
    from math import asin, pi

    assert two_sided_p_value(r, 3) == pytest.approx(1 - 2 / pi * asin(abs(r)), rel=1e-12)


def test_p_stays_exact_where_it_is_tiny_and_is_zero_at_one() -> None:
    assert two_sided_p_value(0.9931648552915839, 270) == pytest.approx(4.846287661618524e-252, rel=1e-9)  # scipy 1.17
    assert two_sided_p_value(1.0, 10) == 0.0
    assert two_sided_p_value(0.0, 10) == 1.0


def test_the_incomplete_beta_function_of_whole_numbers_is_a_polynomial() -> None:
    assert incomplete_beta(0.3, 2, 3) == pytest.approx(6 * 0.3**2 - 8 * 0.3**3 + 3 * 0.3**4, rel=1e-13)
    assert incomplete_beta(0.8, 2, 3) == pytest.approx(6 * 0.8**2 - 8 * 0.8**3 + 3 * 0.8**4, rel=1e-13)


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1, 1, 1], [1, 2, 3], "the first values do not vary"),
        ([1, 2, 3], [0, 0, 0], "the second values do not vary"),
        ([1, 2], [1, 2], "fewer than three values"),
    ],
)
def test_a_correlation_is_undefined_with_its_reason(x: list[float], y: list[float], reason: str) -> None:
    assert pearson(x, y) == (None, None, reason)


def test_lists_of_different_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 values cannot be correlated with 2"):
        pearson([1, 2, 3], [1, 2])
