"""The mathematics of a head, tensors in, tensors out (paper, sections 2 and 3; docs/contract.md).

Rows are tokens. d: width, d_h: head width, V: vocabulary, H: heads, KV: value heads. E and U are (V, d): row t of U
is the unembedding of token t. M = Ẽ W_V W_O Uᵀ is never formed.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.sources import Sources


class HeadWeights(NamedTuple):
    """The weights of a layer's heads: values (KV, d, d_h), outputs (H, d_h, d)."""

    values: Tensor
    outputs: Tensor

    @property
    def group_size(self) -> int:
        """How many heads share a value head."""
        return len(self.outputs) // len(self.values)

    def to_float64(self) -> HeadWeights:
        """The same in float64."""
        return HeadWeights(self.values.double(), self.outputs.double())

    def single_head(self, head: int) -> HeadWeights:
        """One head with its value head: (1, d, d_h) and (1, d_h, d)."""
        value = head // self.group_size
        return HeadWeights(self.values[value : value + 1], self.outputs[head : head + 1])

    def head_output(self, rows: Tensor, head: int) -> Tensor:
        """What a head writes for given source rows: rows W_V W_O, (n, d) to (n, d)."""
        written: Tensor = (rows @ self.values[head // self.group_size]) @ self.outputs[head]
        return written

    def output_per_head(self, rows: Tensor) -> Tensor:
        """What every head writes for a source row of its own: (H, d) to (H, d)."""
        read = torch.bmm(rows.unflatten(0, (len(self.values), -1)), self.values).flatten(0, 1)
        return torch.bmm(read[:, None], self.outputs)[:, 0]

    def target_directions(self, target_row: Tensor) -> Tensor:
        """W_V W_O u of every head for a row u of U, the direction in which a source scores: (d,) to (H, d)."""
        asked = (self.outputs @ target_row).unflatten(0, (len(self.values), -1)).transpose(1, 2)  # (KV, d_h, group)
        return torch.bmm(self.values, asked).transpose(1, 2).flatten(0, 1)


def output_factors(outputs: Tensor) -> Tensor:
    """F (H, d_h, d_h) with ‖z F‖ = ‖z W_O‖: W_Oᵀ = QR, F = Rᵀ. Never squares the condition number."""
    return torch.linalg.qr(outputs.double().transpose(1, 2), mode="r").R.transpose(1, 2).to(outputs.dtype)


def saliency(sources: Sources, heads: HeadWeights) -> Tensor:
    """σ = ‖ẽ W_V W_O‖ / ‖ẽ‖ of every token under every head in float32 (paper, section 3.2): (H, V).

    A token whose row is zero has no direction: its saliency is 0.
    """
    reach = heads.outputs.abs().amax((1, 2)) * heads.values.abs().amax((1, 2)).repeat_interleave(heads.group_size)
    factors = output_factors(scale_to_unit_maximum(heads.outputs))
    d_h, group = factors.shape[1], heads.group_size
    stacked = factors.view(-1, group, d_h, d_h).transpose(1, 2).reshape(-1, d_h, group * d_h)  # (KV, d_h, group d_h)
    values = scale_to_unit_maximum(heads.values).transpose(0, 1).flatten(1)  # (d, KV d_h)
    out = factors.new_empty(len(sources), len(factors))
    for start, x in sources.blocks():
        for kv, z in enumerate((x @ values).split(d_h, dim=1)):
            written = (z @ stacked[kv]).square_().view(len(x), group, d_h)
            torch.sum(written, 2, out=out[start : start + len(x), kv * group : (kv + 1) * group])
    norms = sources.norms.clamp_min(torch.finfo(torch.float32).tiny)
    return (out.sqrt_() / norms[:, None] * reach).T.contiguous()


def scale_to_unit_maximum(weights: Tensor) -> Tensor:
    """Matrices (n, a, b), each with a largest entry of 1: float32 can square what they give."""
    largest = weights.abs().amax((1, 2), keepdim=True)
    return weights / largest.where(largest > 0, 1)


def skewness(values: Tensor) -> float | None:
    """Population skewness m₃ / m₂^1.5 of a vector; None where nothing varies."""
    x = values.double()
    x = x - x.mean()
    squares = x.square()
    m2 = float(squares.mean())
    return float((squares * x).mean()) / m2**1.5 if m2 > 0 else None
