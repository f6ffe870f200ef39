"""The norms of a model: LayerNorm and RMS norm, as they are in front of attention and of an MLP.

norm(x) = g · (x − mean x) / √(variance of x + ε) + b             RMS norm: without the mean, and without b
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Norm:
    """A norm's weights."""

    gain: Tensor  # (d,) as it multiplies (also where a checkpoint stores gain − 1)
    epsilon: float
    subtracts_mean: bool = False  # LayerNorm instead of RMS norm
    bias: Tensor | None = None  # (d,)

    def to(self, target: torch.device | torch.dtype) -> Norm:
        bias = None if self.bias is None else self.bias.to(target)
        return replace(self, gain=self.gain.to(target), bias=bias)

    def apply(self, x: Tensor) -> Tensor:
        """Rows (n, d) through the norm, in their precision."""
        if self.subtracts_mean:
            x = x - x.mean(1, keepdim=True)
        x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + self.epsilon) * self.gain
        return x if self.bias is None else x + self.bias


def scale_to_root_width(rows: Tensor) -> Tensor:
    """Rows (n, d) at length √d, as an RMS norm without gain makes them; rows of zeros stay."""
    lengths = rows.norm(dim=1, keepdim=True)
    return rows * (rows.shape[1] ** 0.5 / lengths.where(lengths > 0, 1))
