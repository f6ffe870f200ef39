"""A block's MLP. The first one turns an embedding into what later layers read: Ẽ = MLP₀(norm(E)).

With x a row, such as one of E, and n = norm(x) what the norm in front of the MLP makes of it:

    MLP(n) = (act(n W_gateᵀ) ⊙ (n W_upᵀ)) W_downᵀ           without a gate: act(n W_upᵀ) W_downᵀ

with biases where the model has them. The embedding is not added back (paper, section 2.1 and appendix). Computed in
float32 for all tokens, and in float64 for the few tokens on which a decision depends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, relu, silu, softplus

from maps.heads.norm import Norm

ROWS = 4096  # tokens in one block: its intermediate values stay in the processor's cache
INNER_BLOCK = 2048  # inner units whose weights are held in float64 at once
TENSOR_FIELDS = ("norm", "gate", "gate_bias", "up", "up_bias", "down", "down_bias")
TANH_GELU = partial(gelu, approximate="tanh")
XIELU = "xielu"
GLU_LIMIT = 7.0


def relu2(x: Tensor) -> Tensor:
    """max(x, 0)²."""
    return relu(x).square()


@dataclass(frozen=True)
class Xielu:
    """The activation xIELU (https://arxiv.org/abs/2411.13010), with numbers that each layer has learned:

    p x² + β x for x > 0, else n (exp(min(x, ε)) − 1 − x) + β x, with p = softplus(α_p) and n = β + softplus(α_n)
    """

    alpha_p: float
    alpha_n: float
    beta: float
    eps: float  # just below 0

    def __call__(self, x: Tensor) -> Tensor:
        raw = torch.tensor([self.alpha_p, self.alpha_n], dtype=torch.float64)
        positive, negative = softplus(raw).tolist()
        above = positive * x.square()
        below = (self.beta + negative) * (torch.expm1(x.clamp(max=self.eps)) - x)
        return torch.where(x > 0, above, below) + self.beta * x


def clamped_glu(x: Tensor) -> Tensor:
    """c sigmoid(1.702 c) with c = min(x, 7), as gpt-oss has it."""
    c = x.clamp(max=GLU_LIMIT)
    return c * torch.sigmoid(1.702 * c)


def clamp_and_add_one(x: Tensor) -> Tensor:
    """What the gate of gpt-oss multiplies."""
    return x.clamp(-GLU_LIMIT, GLU_LIMIT) + 1


UP_ACTIVATIONS = {"clamped_glu": clamp_and_add_one}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "clamped_glu": clamped_glu,
    "gelu": gelu,
    "gelu_fast": TANH_GELU,
    "gelu_new": TANH_GELU,
    "gelu_pytorch_tanh": TANH_GELU,
    "relu": relu,
    "relu2": relu2,
    "silu": silu,
    "swish": silu,
}


@dataclass(frozen=True)
class Mlp:
    """The weights of an MLP and of the norm in front of it."""

    norm: Norm | None
    gate: Tensor | None  # (inner, d); None where the MLP has no gate
    up: Tensor  # (inner, d)
    down: Tensor  # (d, inner)
    activation: Callable[[Tensor], Tensor]
    gate_bias: Tensor | None = None  # (inner,)
    up_bias: Tensor | None = None  # (inner,)
    down_bias: Tensor | None = None  # (d,)
    up_activation: Callable[[Tensor], Tensor] | None = None  # of what the gate multiplies

    def apply(self, rows: Tensor) -> Tensor:
        """MLP(norm(rows)), (n, d) to (n, d), in the precision of the rows."""
        return apply_mlp_float64(rows, self) if rows.dtype == torch.float64 else apply_mlp(rows, self)

    def find_unsure(self, _rows: Tensor) -> None:
        """The rows that a mixture of experts may treat in another way in another precision: here there are none."""

    def apply_norm(self, rows: Tensor) -> Tensor:
        return rows if self.norm is None else self.norm.apply(rows)

    def to(self, target: torch.device | torch.dtype) -> Mlp:
        parts: dict[str, Any] = {name: getattr(self, name) for name in TENSOR_FIELDS}
        return replace(self, **{name: part.to(target) for name, part in parts.items() if part is not None})


def apply_mlp(rows: Tensor, mlp: Mlp) -> Tensor:
    """MLP(norm(rows)), (n, d) to (n, d), in the precision of the rows."""
    out = torch.empty_like(rows)
    for start in range(0, len(rows), ROWS):
        x = mlp.apply_norm(rows[start : start + ROWS])  # (n, d)
        torch.mm(inner_values(x, mlp), mlp.down.T.to(x.dtype), out=out[start : start + ROWS])
    return out if mlp.down_bias is None else out.add_(mlp.down_bias.to(out.dtype))


def apply_mlp_float64(rows: Tensor, mlp: Mlp) -> Tensor:
    """MLP(norm(rows)) in float64, (n, d) to (n, d). Only INNER_BLOCK units' weights are copied to float64 at once."""
    x = mlp.apply_norm(rows)
    out = torch.zeros_like(x)
    for start in range(0, len(mlp.up), INNER_BLOCK):
        units = slice(start, start + INNER_BLOCK)
        out += inner_values(x, mlp, units) @ mlp.down[:, units].T.double()
    return out if mlp.down_bias is None else out + mlp.down_bias


def inner_values(x: Tensor, mlp: Mlp, units: slice = slice(None)) -> Tensor:
    """What W_down reads from some of the inner units, (n, d) to (n, units), in the precision of x."""
    up = apply_linear(x, mlp.up, mlp.up_bias, units)
    if mlp.gate is None:
        return mlp.activation(up)
    up = up if mlp.up_activation is None else mlp.up_activation(up)
    return mlp.activation(apply_linear(x, mlp.gate, mlp.gate_bias, units)) * up


def apply_linear(x: Tensor, weight: Tensor, bias: Tensor | None, units: slice) -> Tensor:
    """x Wᵀ + b of some outputs, (n, inputs) to (n, units), in the precision of x."""
    weights = weight[units].to(x.dtype).T
    return x @ weights if bias is None else torch.addmm(bias[units].to(x.dtype), x, weights)
