"""The mathematics of a head, tensors in, tensors out (paper, sections 2 and 3; docs/contract.md).

Rows are tokens. d: width, d_h: head width, V: vocabulary, H: heads, KV: value heads. E and U are (V, d): row t of U
is the unembedding of token t. M = Ẽ W_V W_O Uᵀ is never formed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from maps.mlp import ROWS, FirstMlp, first_mlp
from maps.ranks import in_order

SCREEN = 1e-5  # share of a head's largest possible saliency that float32 may be off by (measured: 1e-6)


@dataclass(frozen=True)
class Sources:
    """What heads of a layer read: Ẽ in float32 for screening, and in float64 for the rows that decide.

    Without `mlp`, Ẽ is E: layer 0, whose attention comes before the first MLP.
    """

    embedding: Tensor  # (V, d) E
    mlp: FirstMlp | None
    screen: Tensor  # (V, d) Ẽ in float32

    @classmethod
    def of(cls, embedding: Tensor, mlp: FirstMlp | None) -> Sources:
        """The sources of a layer; computes Ẽ once."""
        screen = embedding if mlp is None else first_mlp(embedding, mlp)
        return cls(embedding, None if mlp is None else mlp.to(torch.float64), screen)

    def exact(self, ids: Tensor) -> Tensor:
        """Rows of Ẽ in float64, (n, d)."""
        rows = self.embedding[ids].double()
        return rows if self.mlp is None else first_mlp(rows, self.mlp)


class Heads(NamedTuple):
    """The weights of a layer's heads: values (KV, d, d_h), outputs (H, d_h, d)."""

    values: Tensor
    outputs: Tensor

    @property
    def group(self) -> int:
        """How many heads share a value head."""
        return len(self.outputs) // len(self.values)

    def double(self) -> Heads:
        """The same in float64."""
        return Heads(self.values.double(), self.outputs.double())

    def written(self, rows: Tensor, head: int) -> Tensor:
        """What a head writes for given source rows: rows W_V W_O, (n, d) to (n, d)."""
        written: Tensor = (rows @ self.values[head // self.group]) @ self.outputs[head]
        return written


def output_factors(outputs: Tensor) -> Tensor:
    """F (H, d_h, d_h) with ‖z F‖ = ‖z W_O‖: W_Oᵀ = QR, F = Rᵀ. Never squares the condition number."""
    return torch.linalg.qr(outputs.double().transpose(1, 2), mode="r").R.transpose(1, 2).to(outputs.dtype)


def saliency(sources: Tensor, heads: Heads) -> Tensor:
    """σ = ‖ẽ W_V W_O‖ / ‖ẽ‖ of every token under every head (paper, section 3.2), (V, d) to (H, V).

    A token whose row is zero has no direction: its saliency is 0.
    """
    factors = output_factors(heads.outputs)
    d_h, group = factors.shape[1], heads.group
    stacked = factors.view(-1, group, d_h, d_h).transpose(1, 2).reshape(-1, d_h, group * d_h)  # (KV, d_h, group d_h)
    out = sources.new_empty(len(sources), len(factors))
    for start in range(0, len(sources), ROWS):
        x = sources[start : start + ROWS]
        for kv, value in enumerate(heads.values):
            z = (x @ value) @ stacked[kv]  # (n, group d_h)
            out[start : start + ROWS, kv * group : (kv + 1) * group] = z.square_().view(len(x), group, d_h).sum(2)
    norms = sources.norm(dim=1).clamp_min(torch.finfo(sources.dtype).tiny)
    return (out.sqrt_() / norms[:, None]).T.contiguous()


def salient_tokens(sources: Sources, sigma: Tensor, exact: Heads, head: int, count: int) -> tuple[Tensor, Tensor]:
    """The `count` tokens of highest σ under one head: ids (count,) and σ in float64 (count,).

    `sigma` (V,) is the float32 screen, `exact` the heads in float64: every token that could belong to the highest is
    redone in float64.
    """
    bound = SCREEN * float(
        torch.linalg.matrix_norm(exact.values[head // exact.group], 2)
        * torch.linalg.matrix_norm(exact.outputs[head], 2)
    )
    threshold = sigma.topk(min(count, len(sigma))).values[-1] - 2 * bound
    candidates = (sigma >= threshold).nonzero()[:, 0]
    rows = sources.exact(candidates)
    norms = rows.norm(dim=1)
    values = exact.written(rows, head).norm(dim=1) / norms.where(norms > 0, 1)
    order = in_order(values, candidates, 1e-12 * float(values.max()))[:count]
    return candidates[order], values[order]


def skewness(values: Tensor) -> float | None:
    """Population skewness m₃ / m₂^1.5 of a vector; None where nothing varies."""
    x = values.double()
    x = x - x.mean()
    m2 = float(x.square().mean())
    return float(x.pow(3).mean()) / m2**1.5 if m2 > 0 else None


def kurtosis(rows: Tensor) -> Tensor:
    """Population kurtosis m₄ / m₂² of every row (a normal distribution has 3), (n, V) to (n,), float64."""
    x = rows - rows.mean(1, keepdim=True)
    squares = x.square_()
    m2 = squares.mean(1).double()
    return squares.square_().mean(1).double() / m2.square()
