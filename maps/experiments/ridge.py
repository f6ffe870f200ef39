"""Ridge regression in closed form, for many targets that share their features.

For centred features X (n, m) and targets Y (n, d), the weights of least ‖Y − X W‖² + λ ‖W‖² are

    W = (Xᵀ X + λ I)⁻¹ Xᵀ Y = Q (Λ + λ I)⁻¹ Qᵀ Xᵀ Y        with Xᵀ X = Q Λ Qᵀ

One decomposition in float64 serves all strengths λ and all targets. Strengths are given as a share of the mean of Λ, so
that they do not depend on the scale or the number of the tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
ROWS_AT_ONCE = 1024  # products are summed in float32 over so many tokens, then in float64


@dataclass(frozen=True, eq=False)
class RidgeFeatures:
    """Features of n tokens, decomposed."""

    rows: Tensor  # (n, m) float32, centred
    mean: Tensor  # (m,) float64
    eigenvalues: Tensor  # (m,) float64
    eigenvectors: Tensor  # (m, m) float64, in columns

    @classmethod
    def decompose(cls, features: Tensor) -> RidgeFeatures:
        """From features (n, m) of tokens to fit."""
        mean = features.double().mean(0)
        rows = (features - mean).float()
        gram = sum_products(rows, rows)
        return cls(rows, mean, *torch.linalg.eigh(gram))

    def project(self, targets: Tensor) -> Tensor:
        """Qᵀ Xᵀ Y for centred targets (n, d) in float32, (m, d) float64: `weights` makes any strength of it."""
        return self.eigenvectors.T @ sum_products(self.rows, targets)

    def shrink(self, projection: Tensor, strength: float) -> Tensor:
        """(Λ + λ I)⁻¹ Qᵀ Xᵀ Y, (m, d): the weights in the coordinates of the eigenvectors."""
        penalty = strength * self.eigenvalues.mean()
        return projection / (self.eigenvalues + penalty)[:, None]

    def weights(self, projection: Tensor, strength: float) -> Tensor:
        """W for a strength, (m, d) float64."""
        return self.eigenvectors @ self.shrink(projection, strength)


def sum_products(a: Tensor, b: Tensor) -> Tensor:
    """aᵀ b over n rows, (n, m) and (n, d) to (m, d) in float64."""
    total = torch.zeros(a.shape[1], b.shape[1], dtype=torch.float64, device=a.device)
    for left, right in zip(a.split(ROWS_AT_ONCE), b.split(ROWS_AT_ONCE), strict=True):
        total += left.T @ right
    return total


def held_out_errors(
    features: RidgeFeatures, projection: Tensor, held_out: Tensor, targets: Tensor, readout: Tensor
) -> list[float]:
    """The share of variance that each strength leaves unexplained on held-out tokens, in the order of STRENGTHS.

    `held_out` (v, m) are the features of these tokens, centred as those of the fit; `targets` (v, d) are centred too.
    What counts of a target is its product with `readout` (d, r): what is read of it. A few entries of a residual
    stream can be larger than all others together, and hardly be read.
    """
    rotated = (held_out.double() @ features.eigenvectors).float()
    read = targets @ readout
    whole = float(read.square().sum()) or 1.0
    return [
        float((read - rotated @ (features.shrink(projection, strength).float() @ readout)).square().sum()) / whole
        for strength in STRENGTHS
    ]
