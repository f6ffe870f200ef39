"""The first MLP with the norm before it, tensors in, tensors out (paper, section 2.1; docs/contract.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, relu, silu

ROWS = 4096  # tokens a block: keeps the intermediate values of a block in the processor's cache
INNER_BLOCK = 2048  # of the MLP's inner width, in float64 at a time
TENSOR_FIELDS = ("norm", "norm_bias", "gate", "gate_bias", "up", "up_bias", "down", "down_bias")
TANH_GELU = partial(gelu, approximate="tanh")
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": gelu,
    "gelu_fast": TANH_GELU,
    "gelu_new": TANH_GELU,
    "gelu_pytorch_tanh": TANH_GELU,
    "relu": relu,
    "silu": silu,
    "swish": silu,
}


@dataclass(frozen=True)
class FirstMlp:
    """An MLP with the norm before it: norm (d,), gate and up (inner, d), down (d, inner), each bias (inner,) or (d,).

    Without `norm` the rows go in as they are, without `gate` the MLP is plain; `subtracts_mean` takes the mean off first
    (LayerNorm instead of RMS norm). `norm` is what multiplies, also where a checkpoint stores it less one.
    """

    norm: Tensor | None
    epsilon: float
    gate: Tensor | None
    up: Tensor
    down: Tensor
    activation: Callable[[Tensor], Tensor]
    subtracts_mean: bool = False
    norm_bias: Tensor | None = None
    gate_bias: Tensor | None = None
    up_bias: Tensor | None = None
    down_bias: Tensor | None = None

    def to(self, target: torch.device | torch.dtype) -> FirstMlp:
        """The same on another device or in another precision."""
        tensors: dict[str, Any] = {
            name: getattr(self, name) for name in TENSOR_FIELDS if getattr(self, name) is not None
        }
        return replace(self, **{name: tensor.to(target) for name, tensor in tensors.items()})


def apply_first_mlp(rows: Tensor, mlp: FirstMlp) -> Tensor:
    """MLP₀(norm(rows)), without adding the rows back; (n, d) to (n, d), in the precision that comes in."""
    out = torch.empty_like(rows)
    for start in range(0, len(rows), ROWS):
        x = apply_norm(rows[start : start + ROWS], mlp)  # (n, d)
        inner = apply_linear(x, mlp.up, mlp.up_bias)  # (n, inner)
        if mlp.gate is None:
            inner = mlp.activation(inner)
        else:
            inner = mlp.activation(apply_linear(x, mlp.gate, mlp.gate_bias)) * inner
        torch.mm(inner, mlp.down.T, out=out[start : start + ROWS])
    return out if mlp.down_bias is None else out.add_(mlp.down_bias)


def apply_first_mlp_float64(rows: Tensor, mlp: FirstMlp) -> Tensor:
    """MLP₀(norm(rows)) in float64, (n, d) to (n, d). A share of the MLP's inner width is held in float64 at a time."""
    x = apply_norm(rows, mlp)
    out = torch.zeros_like(x)
    for start in range(0, len(mlp.up), INNER_BLOCK):
        part = slice(start, start + INNER_BLOCK)
        inner = apply_linear(x, mlp.up[part].double(), bias_slice(mlp.up_bias, part))
        if mlp.gate is None:
            inner = mlp.activation(inner)
        else:
            inner = mlp.activation(apply_linear(x, mlp.gate[part].double(), bias_slice(mlp.gate_bias, part))) * inner
        out += inner @ mlp.down[:, part].T.double()
    return out if mlp.down_bias is None else out + mlp.down_bias


def bias_slice(bias: Tensor | None, part: slice) -> Tensor | None:
    """Some of a bias in float64."""
    return None if bias is None else bias[part].double()


def apply_norm(x: Tensor, mlp: FirstMlp) -> Tensor:
    """The rows through the norm before the MLP, (n, d) to (n, d)."""
    if mlp.norm is None:
        return x
    if mlp.subtracts_mean:
        x = x - x.mean(1, keepdim=True)
    x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + mlp.epsilon) * mlp.norm
    return x if mlp.norm_bias is None else x + mlp.norm_bias


def apply_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear layer, (n, inputs) to (n, outputs)."""
    return x @ weight.T if bias is None else torch.addmm(bias, x, weight.T)
