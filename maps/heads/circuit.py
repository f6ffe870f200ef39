"""What a head does to a token: the vector that it writes, and its saliency. Tensors in, tensors out.

An attention head reads a source with W_V and adds the result times W_O to the residual stream. Seen from the vocabulary
this is one matrix with a score for every source s and target t (paper, sections 2 and 3):

    M = Ẽ W_V W_O Uᵀ,    M[s, t] = (ẽ_s W_V W_O) · u_t    how strongly the head promotes t when it attends to s

M has V² entries and is never formed. Everything is computed from its thin factors: ẽ_s W_V has only d_h entries.

Sizes in shapes: d width, d_h head width, V vocabulary, H heads, KV value heads. Vectors are rows, so that E and U are
(V, d) and row t of U is the unembedding of token t.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.sources import Sources


class HeadWeights(NamedTuple):
    """W_V and W_O of a layer's heads. With grouped queries, `group_size` heads in a row share a value head."""

    values: Tensor  # (KV, d, d_h)
    outputs: Tensor  # (H, d_h, d)

    @property
    def group_size(self) -> int:
        return len(self.outputs) // len(self.values)

    def to_float64(self) -> HeadWeights:
        return HeadWeights(self.values.double(), self.outputs.double())

    def single_head(self, head: int) -> HeadWeights:
        """One head with its value head: (1, d, d_h) and (1, d_h, d)."""
        value = head // self.group_size
        return HeadWeights(self.values[value : value + 1], self.outputs[head : head + 1])

    def head_output(self, rows: Tensor, head: int) -> Tensor:
        """What one head writes for source rows: ẽ W_V W_O, (n, d) to (n, d)."""
        return (rows @ self.values[head // self.group_size]) @ self.outputs[head]

    def output_per_head(self, rows: Tensor) -> Tensor:
        """What each head writes for its own source row: row h through head h, (H, d) to (H, d)."""
        z = torch.bmm(rows.unflatten(0, (len(self.values), -1)), self.values).flatten(0, 1)  # (H, d_h)
        return torch.bmm(z[:, None], self.outputs)[:, 0]

    def sum_circuits(self, factors: Tensor) -> Tensor:
        """Σ_h α_h W_V,h W_O,h for factors α (H,): what all heads make of a row together, (d, d) in float64."""
        outputs = (factors.double()[:, None, None] * self.outputs).unflatten(0, (len(self.values), -1)).sum(1)
        return torch.einsum("kde,kef->df", self.values.double(), outputs)

    def target_directions(self, target_row: Tensor) -> Tensor:
        """W_V W_O u of every head for a row u of U: a source scores ẽ · (W_V W_O u) on that target. (d,) to (H, d)."""
        c = (self.outputs @ target_row).unflatten(0, (len(self.values), -1)).transpose(1, 2)  # (KV, d_h, group)
        return torch.bmm(self.values, c).transpose(1, 2).flatten(0, 1)


def output_factors(outputs: Tensor) -> Tensor:
    """Square factors F (H, d_h, d_h) with ‖z F‖ = ‖z W_O‖ for every z: lengths at the cost of d_h instead of d columns.

    W_Oᵀ = Q R gives z W_O = z Rᵀ Qᵀ. Q has orthonormal columns, which keep lengths, so F = Rᵀ. A Cholesky factor of
    W_O W_Oᵀ would do as well, but squares the condition number and fails at a lower rank.
    """
    return torch.linalg.qr(outputs.double().transpose(1, 2), mode="r").R.transpose(1, 2).to(outputs.dtype)


def saliency(sources: Sources, heads: HeadWeights) -> Tensor:
    """Saliency σ = ‖ẽ W_V W_O‖ / ‖ẽ‖ of every token under every head, in float32: (H, V) (paper, section 3.2).

    σ is how much longer the head makes a token's vector. A token whose row is zero has saliency 0.
    """
    # The weights are scaled to a largest entry of 1, so that float32 can square the results; `scale` undoes it.
    scale = heads.outputs.abs().amax((1, 2)) * heads.values.abs().amax((1, 2)).repeat_interleave(heads.group_size)
    factors = output_factors(scale_to_unit_maximum(heads.outputs))
    d_h, group = factors.shape[1], heads.group_size
    # All heads of a group multiply the same z = ẽ W_V, so their factors stand next to each other in one product.
    stacked = factors.view(-1, group, d_h, d_h).transpose(1, 2).reshape(-1, d_h, group * d_h)  # (KV, d_h, group d_h)
    values = scale_to_unit_maximum(heads.values).transpose(0, 1).flatten(1)  # (d, KV d_h)
    out = factors.new_empty(len(sources), len(factors))
    for start, rows in sources.blocks():
        for kv, z in enumerate((rows @ values).split(d_h, dim=1)):
            squares = (z @ stacked[kv]).square_().view(len(rows), group, d_h)
            torch.sum(squares, 2, out=out[start : start + len(rows), kv * group : (kv + 1) * group])
    norms = sources.norms.clamp_min(torch.finfo(torch.float32).tiny)
    return (out.sqrt_() / norms[:, None] * scale).T.contiguous()


def scale_to_unit_maximum(weights: Tensor) -> Tensor:
    """Matrices (n, a, b), each divided by its largest absolute entry; matrices of zeros stay."""
    largest = weights.abs().amax((1, 2), keepdim=True)
    return weights / largest.where(largest > 0, 1)


def skewness(values: Tensor) -> float | None:
    """Population skewness m₃ / m₂^1.5 of a vector (m_j: j-th central moment); None where all values are equal."""
    x = values.double()
    x = x - x.mean()
    squares = x.square()
    m2 = float(squares.mean())
    return float((squares * x).mean()) / m2**1.5 if m2 > 0 else None
