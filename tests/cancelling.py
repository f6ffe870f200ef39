"""A first MLP whose terms nearly cancel for one token: what is left of its row in float32 is mostly rounding."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

from maps.heads.circuit import HeadWeights
from maps.heads.mlp import Mlp
from tests.near_ties import normal_tensor

CANCELLED_TOKEN = 1  # not among those that are measured, which are some apart


def cancelling_first_mlp(
    seed: int, length: float = 2e-6, size: int = 2000, width: int = 24
) -> tuple[Tensor, Mlp, HeadWeights]:
    """E, the MLP, and a head that acts most strongly on what the terms leave of the token."""
    embedding = normal_tensor(size, width, dtype=torch.float32)
    up, down = (
        normal_tensor(48, width, seed=1, dtype=torch.float32),
        normal_tensor(width, 48, seed=2, dtype=torch.float32),
    )
    heads = HeadWeights(normal_tensor(1, width, 6, seed=3), normal_tensor(1, 6, width, seed=4))
    strongest = torch.linalg.svd(heads.values[0] @ heads.outputs[0]).U[:, 0]
    left = length * (strongest + 0.1 * normal_tensor(width, seed=seed + 5))
    inner = relu(embedding[CANCELLED_TOKEN].double() @ up.double().T)
    return (
        embedding,
        Mlp(None, None, up, down, relu, down_bias=(left - inner @ down.double().T).float()),
        heads,
    )
