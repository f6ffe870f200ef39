"""Ridge regression in closed form, beside a solver for linear equations."""

from __future__ import annotations

import pytest
import torch

from maps.experiments import ridge
from maps.experiments.ridge import RidgeFeatures, held_out_errors
from tests.near_ties import normal_tensor

FEATURES, TARGETS = normal_tensor(200, 12), normal_tensor(200, 5, seed=1).float()


@pytest.mark.parametrize("rows_at_once", [7, 1024])
@pytest.mark.parametrize("strength", [0.001, 1.0])
def test_weights_solve_the_normal_equations(
    strength: float, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ridge, "ROWS_AT_ONCE", rows_at_once)
    fit = RidgeFeatures.decompose(FEATURES)
    x, y = FEATURES - FEATURES.mean(0), TARGETS.double()
    gram = x.T @ x
    penalty = strength * gram.diagonal().mean()  # the mean of the eigenvalues
    wanted = torch.linalg.solve(gram + penalty * torch.eye(12, dtype=torch.float64), x.T @ y)
    torch.testing.assert_close(fit.weights(fit.project(TARGETS), strength), wanted, rtol=1e-4, atol=1e-6)


def test_held_out_errors_are_the_share_of_variance_that_is_left() -> None:
    """What the features determine is found with a weak ridge, what they do not is left."""
    true = normal_tensor(12, 5, seed=2)
    y = (FEATURES - FEATURES[:150].mean(0)) @ true
    fit = RidgeFeatures.decompose(FEATURES[:150])
    held_out = FEATURES[150:] - fit.mean
    whole = torch.eye(5)
    errors = held_out_errors(fit, fit.project(y[:150].float()), held_out, y[150:].float(), whole)
    assert errors == sorted(errors)
    assert errors[0] < 1e-4 < 0.1 < errors[-1]
    noise = normal_tensor(50, 5, seed=3).float()
    assert min(held_out_errors(fit, fit.project(TARGETS[:150]), held_out, noise, whole)) > 0.9
    weights = fit.weights(fit.project(y[:150].float()), ridge.STRENGTHS[3])
    left = (y[150:] - held_out @ weights).square().sum() / y[150:].square().sum()
    assert errors[3] == pytest.approx(float(left), rel=1e-3)


def test_only_what_is_read_of_a_target_counts() -> None:
    """The first entry is large noise that nobody reads, the others are determined by the features."""
    y = FEATURES @ normal_tensor(12, 5, seed=2)
    y[:, 0] = 1e3 * normal_tensor(200, seed=4)
    fit = RidgeFeatures.decompose(FEATURES[:150])
    y = (y - y[:150].mean(0)).float()
    held_out, projection = (FEATURES[150:] - fit.mean).float(), fit.project(y[:150])
    assert min(held_out_errors(fit, projection, held_out, y[150:], torch.eye(5))) > 0.9
    assert min(held_out_errors(fit, projection, held_out, y[150:], torch.eye(5)[:, 1:])) < 1e-4
