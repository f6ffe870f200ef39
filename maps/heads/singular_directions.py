"""A head's OV map split into singular directions: it reads along u and writes along v.

    W_V W_O = Σᵢ σᵢ uᵢᵀ vᵢ,    σ₁ ≥ σ₂ ≥ …,    so that  ẽ W_V W_O = Σᵢ σᵢ (ẽ · uᵢ) vᵢ

W_V = Q₁ R₁ and W_Oᵀ = Q₂ R₂ are factored first. Then W_V W_O = Q₁ (R₁ R₂ᵀ) Q₂ᵀ: only the d_h × d_h matrix in the
middle is decomposed, and the d × d one is never formed.

A direction has two ends. Sources with the highest cosine with u lead to the highest targets of v Uᵀ, sources with the
lowest cosine to the lowest targets. The sign of a pair (u, v) is free.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.circuit import HeadWeights
from maps.heads.salient_tokens import SCREEN_ERROR_SHARE, confirm_highest
from maps.heads.sources import Sources
from maps.heads.top_targets import find_highest_targets
from maps.heads.unembedding import Unembedding

RANK_TOLERANCE = 1e-12  # a direction weaker than this share of the strongest is rounding


class SingularDirections(NamedTuple):
    """The singular directions of a layer's heads, r = min(d, d_h) for each, the strongest first."""

    reads: Tensor  # (H, r, d) u, orthonormal
    strengths: Tensor  # (H, r) σ
    writes: Tensor  # (H, r, d) v, orthonormal

    @property
    def shares(self) -> Tensor:
        """σᵢ² / Σσ² of each direction, (H, r); 0 for a head that writes nothing."""
        return shares_of_sum(self.strengths.square())

    def effective_ranks(self) -> Tensor:
        """How many directions of each head are more than rounding, (H,)."""
        return (self.strengths > RANK_TOLERANCE * self.strengths[:, :1]).sum(1)


def singular_directions(heads: HeadWeights) -> SingularDirections:
    """The singular directions of heads in float64, each with its own value head: (H, d, d_h) and (H, d_h, d)."""
    read, inner = torch.linalg.qr(heads.values)
    written, outer = torch.linalg.qr(heads.outputs.transpose(1, 2))
    left, strengths, right = torch.linalg.svd(inner @ outer.transpose(1, 2), full_matrices=False)
    return SingularDirections((read @ left).transpose(1, 2), strengths, right @ written.transpose(1, 2))


def shares_of_sum(parts: Tensor) -> Tensor:
    """Each part (…, r) as a share of their sum; 0 where the sum is 0."""
    whole = parts.sum(-1, keepdim=True)
    return parts / whole.where(whole > 0, 1)


def second_moment(sources: Sources) -> Tensor:
    """The mean of x̂ᵀ x̂ over the vocabulary, with x̂ = ẽ / ‖ẽ‖: (d, d) in float64, summed from float32 blocks."""
    total = None
    for start, block in sources.blocks():
        norms = sources.norms[start : start + len(block)]
        unit = block / norms.where(norms > 0, 1)[:, None]
        part = (unit.T @ unit).double()
        total = part if total is None else total + part
    if total is None:
        raise ValueError("the vocabulary is empty")
    return total / len(sources)


def output_shares(directions: SingularDirections, moment: Tensor) -> Tensor:
    """The share of each direction in what the vocabulary's tokens write, (H, r).

    A token at length 1 writes σᵢ (x̂ · uᵢ) along vᵢ. The mean of its square is σᵢ² uᵢ X uᵢᵀ with X the second moment,
    and these means sum to the mean of the squared saliency.
    """
    mean_squares = torch.linalg.vecdot(directions.reads @ moment, directions.reads)
    return shares_of_sum(directions.strengths.square() * mean_squares.clamp_min(0))


def count_directions_for_share(shares: Tensor, threshold: float) -> Tensor:
    """How many directions of a head, largest first, add up to this share: (H, r) to (H,); 0 if all are 0."""
    summed = shares.sort(dim=1, descending=True).values.cumsum(1)
    return torch.where(summed[:, -1] > 0, (summed < threshold - RANK_TOLERANCE).sum(1) + 1, 0)


class DirectionAssignment(NamedTuple):
    """The direction that contributes most to what a head writes for each of n tokens."""

    direction: Tensor  # (n,) from 0
    is_high_end: Tensor  # (n,) bool: whether the token's cosine with u is positive
    share: Tensor  # (n,) its share of the squared length of the head's output


def assign_directions(rows: Tensor, reads: Tensor, strengths: Tensor) -> DirectionAssignment:
    """Assigns rows of Ẽ (n, d) to the directions of one head: reads (r, d), strengths (r,)."""
    parts = (rows @ reads.T) * strengths  # (n, r) the output along each v
    share, direction = shares_of_sum(parts.square()).max(1)
    return DirectionAssignment(direction, parts.gather(1, direction[:, None])[:, 0] > 0, share)


class DirectionEnds(NamedTuple):
    """Both ends of m directions: index 0 is the end of u and v, index 1 that of −u and −v."""

    sources: Tensor  # (2, m, n) ids of the tokens with the highest cosine with ±u
    cosines: Tensor  # (2, m, n) float64, of ẽ with ±u
    targets: Tensor  # (2, m, t) ids of the highest of ±v Uᵀ, by falling ±v · u_t

    def select(self, indices: slice) -> DirectionEnds:
        return DirectionEnds(*(field[:, indices] for field in self))


def direction_ends(
    sources: Sources, reads: Tensor, writes: Tensor, unembedding: Unembedding, wanted: int
) -> tuple[DirectionEnds, Tensor]:
    """The `wanted` sources and targets at both ends of m directions, given as u and v (m, d) in float64.

    The end of the higher cosine comes first. Also which directions (m,) were turned round for that.
    """
    norms = sources.norms.where(sources.norms > 0, 1)
    products = torch.cat([block @ reads.T.float() for _, block in sources.blocks()])  # (V, m)
    cosines = (products / norms[:, None]).T.contiguous()
    screen, signed_reads = torch.cat([cosines, -cosines]), torch.cat([reads, -reads])
    error_bounds = 2 * sources.error_bounds / norms  # a row that moves by δ turns by at most 2 ‖δ‖ / ‖ẽ‖
    # Most of the rows that the loop needs, computed at once: `sources` keeps them.
    sources.exact_rows(screen.topk(min(2 * wanted, len(sources)), dim=1).indices.unique())

    def find_end(i: int) -> tuple[Tensor, Tensor]:
        def exact_cosines(ids: Tensor) -> Tensor:
            rows = sources.exact_rows(ids)
            lengths = rows.norm(dim=1)
            return (rows @ signed_reads[i]) / lengths.where(lengths > 0, 1)

        return confirm_highest(screen[i], error_bounds, SCREEN_ERROR_SHARE, wanted, exact_cosines)

    ids, values = map(torch.stack, zip(*(find_end(i) for i in range(len(screen))), strict=True))
    highest, _ = find_highest_targets(torch.cat([writes, -writes]), wanted, unembedding)
    ends = [field.unflatten(0, (2, -1)) for field in (ids, values, highest.ids)]
    is_flipped = ends[1][1, :, 0] > ends[1][0, :, 0]
    return DirectionEnds(*(field.flip(0).where(is_flipped[None, :, None], field) for field in ends)), is_flipped
