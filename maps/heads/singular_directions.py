"""A head's OV map split into its singular directions: W_V W_O = Σ σᵢ uᵢᵀ vᵢ. It reads along uᵢ and writes along vᵢ.

W_V and W_Oᵀ are factored first (QR), so that only d_h × d_h matrices are decomposed and W_V W_O is never formed.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.circuit import HeadWeights
from maps.heads.salient_tokens import SCREEN_ERROR_SHARE, confirm_highest
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets, find_highest_targets
from maps.heads.unembedding import Unembedding

RANK_TOLERANCE = 1e-12  # share of the strongest direction's σ from which on a direction is more than rounding


class SingularDirections(NamedTuple):
    """The singular directions of a layer's heads, the strongest first; r = min(d, d_h) a head."""

    reads: Tensor  # (H, r, d) u, orthonormal
    strengths: Tensor  # (H, r) σ
    writes: Tensor  # (H, r, d) v, orthonormal

    @property
    def shares(self) -> Tensor:
        """The share of Σσ² of each direction, (H, r); 0 where a head writes nothing."""
        return shares_of_sum(self.strengths.square())

    def effective_ranks(self) -> Tensor:
        """How many directions of each head are more than rounding, (H,)."""
        return (self.strengths > RANK_TOLERANCE * self.strengths[:, :1]).sum(1)


def singular_directions(heads: HeadWeights) -> SingularDirections:
    """The singular directions of heads in float64, which come with a value head each: (H, d, d_h) and (H, d_h, d)."""
    read, inner = torch.linalg.qr(heads.values)
    written, outer = torch.linalg.qr(heads.outputs.transpose(1, 2))
    left, strengths, right = torch.linalg.svd(inner @ outer.transpose(1, 2), full_matrices=False)
    return SingularDirections((read @ left).transpose(1, 2), strengths, right @ written.transpose(1, 2))


def shares_of_sum(parts: Tensor) -> Tensor:
    """Parts (…, r) of their sum, 0 where that is 0."""
    whole = parts.sum(-1, keepdim=True)
    return parts / whole.where(whole > 0, 1)


def second_moment(sources: Sources) -> Tensor:
    """The mean of x̂ᵀ x̂ over the vocabulary, x̂ = ẽ / ‖ẽ‖: (d, d) float64, summed from float32 blocks."""
    total = None
    for start, block in sources.blocks():
        norms = sources.norms[start : start + len(block)]
        unit = block / norms.where(norms > 0, 1)[:, None]
        part = (unit.T @ unit).double()
        total = part if total is None else total + part
    if total is None:
        raise ValueError("a vocabulary has tokens")
    return total / len(sources)


def output_shares(directions: SingularDirections, moment: Tensor) -> Tensor:
    """The share of each direction in what the vocabulary's tokens write: of the mean of σ_t² over all t, (H, r)."""
    along = torch.linalg.vecdot(directions.reads @ moment, directions.reads)
    return shares_of_sum(directions.strengths.square() * along.clamp_min(0))


def count_directions_for_share(shares: Tensor, threshold: float) -> Tensor:
    """How many of a head's directions hold that share together, the largest first: (H, r) to (H,); 0 of nothing."""
    summed = shares.sort(dim=1, descending=True).values.cumsum(1)
    return torch.where(summed[:, -1] > 0, (summed < threshold - RANK_TOLERANCE).sum(1) + 1, 0)


class DirectionAssignment(NamedTuple):
    """To which direction tokens belong: the one that contributes most to what the head writes for each of them."""

    direction: Tensor  # (n,) from 0
    is_high_end: Tensor  # (n,) bool: whether the token reads high along it
    share: Tensor  # (n,) of the squared length of what is written


def assign_directions(rows: Tensor, reads: Tensor, strengths: Tensor) -> DirectionAssignment:
    """Rows of Ẽ (n, d) by the directions of one head: reads (r, d), strengths (r,)."""
    parts = (rows @ reads.T) * strengths
    shares = shares_of_sum(parts.square())
    share, direction = shares.max(1)
    return DirectionAssignment(direction, parts.gather(1, direction[:, None])[:, 0] > 0, share)


class DirectionEnds(NamedTuple):
    """Both ends of m directions: first the high ends, then the low ones."""

    sources: Tensor  # (2, m, n) ids: the tokens that read furthest along ±u
    cosines: Tensor  # (2, m, n) float64: of ẽ with ±u
    targets: Targets  # (2, m, t): the highest of ±v U, in falling order of ±v · u_t

    def select(self, indices: slice) -> DirectionEnds:
        """Some of the directions."""
        ids, scores = (each[:, indices] for each in self.targets)
        return DirectionEnds(self.sources[:, indices], self.cosines[:, indices], Targets(ids, scores))


def direction_ends(
    sources: Sources, reads: Tensor, writes: Tensor, unembedding: Unembedding, wanted: int
) -> DirectionEnds:
    """What directions (m, d), u and v in float64, map to what: `wanted` sources and targets at either end."""
    screen = torch.cat([block @ reads.T.float() for _, block in sources.blocks()])  # (V, m)
    norms = sources.norms.where(sources.norms > 0, 1)
    screen, drift = (screen / norms[:, None]).T.contiguous(), 2 * sources.error_bounds / norms
    both, signed = torch.cat([screen, -screen]), torch.cat([reads, -reads])
    sources.exact_rows(
        both.topk(min(2 * wanted, len(sources)), dim=1).indices.unique()
    )  # most of them at once: they are kept

    def end(i: int) -> tuple[Tensor, Tensor]:
        return confirm_highest(
            both[i],
            drift,
            SCREEN_ERROR_SHARE,
            wanted,
            lambda ids: cosine_similarities(sources.exact_rows(ids), signed[i]),
        )

    found = [end(i) for i in range(len(both))]
    ids, values = (torch.stack(each).unflatten(0, (2, -1)) for each in zip(*found, strict=True))
    best, _ = find_highest_targets(torch.cat([writes, -writes]), wanted, unembedding)
    return DirectionEnds(ids, values, Targets(*(each.unflatten(0, (2, -1)) for each in best)))


def cosine_similarities(rows: Tensor, u: Tensor) -> Tensor:
    """The cosine of rows (n, d) with a direction of length 1, (n,); 0 of rows of zeros."""
    norms = rows.norm(dim=1)
    return (rows @ u) / norms.where(norms > 0, 1)


def orient_ends(ends: DirectionEnds) -> tuple[DirectionEnds, Tensor]:
    """The ends with the one that reads furthest first, and which directions (m,) had to be turned round for it.

    The sign of a singular direction is free.
    """
    flipped = ends.cosines[1, :, 0] > ends.cosines[0, :, 0]

    def turned(each: Tensor) -> Tensor:
        return torch.where(flipped[None, :, None], each.flip(0), each)

    targets = Targets(turned(ends.targets.ids), turned(ends.targets.scores))
    return DirectionEnds(turned(ends.sources), turned(ends.cosines), targets), flipped
