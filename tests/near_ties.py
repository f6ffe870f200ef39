"""Random tensors, and scores so close that float32 gets their order wrong."""

from __future__ import annotations

import torch
from torch import Tensor


def normal_tensor(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def near_ties(spread: float, seed: int, size: int = 3000, width: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """y (1, d), U (V, d) and their scores, all within `spread` of each other though U's rows differ wildly."""
    y = normal_tensor(1, width, seed=seed)
    y = y / y.norm()
    noise = normal_tensor(size, width, seed=seed + 100)
    noise = noise - (noise @ y.T) * y
    step = torch.linspace(0, spread, size, dtype=torch.float64)[
        torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    ]
    unembedding = (noise / noise.norm(dim=1, keepdim=True) + y * (0.3 + step[:, None])).float()
    return y, unembedding, (y @ unembedding.double().T)[0]
