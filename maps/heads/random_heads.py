"""Random heads to compare with: d × d matrices whose entries have the mean and deviation of a layer's real heads."""

from __future__ import annotations

import torch
from torch import Tensor

from maps.heads.circuit import HeadWeights

RANDOM_NUMBERS_AT_ONCE = 1 << 24  # random numbers held in memory at once (128 MiB in float64)
SEED_STEP = 100_003  # more than a layer has heads and a model layers, so that no two random heads share a seed


def mean_and_deviation(heads: HeadWeights) -> tuple[float, float]:
    """Mean and standard deviation of the entries of W_V W_O, each averaged over a layer's heads.

    The d × d matrices are not formed. With 1 a vector of ones, the entries of W_V W_O sum to (1ᵀ W_V)(W_O 1) and
    their squares to the trace of (W_Vᵀ W_V)(W_O W_Oᵀ), which is the sum of the products of the two symmetric factors'
    entries.
    """
    values = heads.values.repeat_interleave(heads.group_size, 0)  # (H, d, d_h)
    size = values.shape[1] ** 2
    sums = torch.linalg.vecdot(values.sum(1), heads.outputs.sum(2))
    inner = (values.transpose(1, 2) @ values) * (heads.outputs @ heads.outputs.transpose(1, 2))  # (H, d_h, d_h)
    means = sums / size
    deviations = (inner.sum((1, 2)) / size - means.square()).clamp_min(0).sqrt()
    return float(means.mean()), float(deviations.mean())


def apply_random_head(rows: Tensor, mean: float, deviation: float, seed: int) -> Tensor:
    """rows R, (n, d) to (n, d), for a matrix R (d, d) of independent normal entries, drawn a few rows at a time."""
    d = rows.shape[1]
    generator = torch.Generator().manual_seed(seed)
    out = torch.zeros_like(rows)
    for part in rows.split(max(1, RANDOM_NUMBERS_AT_ONCE // d), dim=1):
        drawn = torch.randn(part.shape[1], d, generator=generator, dtype=torch.float64)
        out += part @ (drawn * deviation + mean).to(rows.device)
    return out


def random_head_seed(seed: int, layer: int, head: int) -> int:
    """The seed of one random head, different for every layer and head."""
    return (seed * SEED_STEP + layer) * SEED_STEP + head
