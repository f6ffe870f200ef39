"""Which targets are among the k highest of a row of M: exact answers from float32 products with error bounds.

A float32 product of a row with U differs from the true one by at most ‖y‖ ‖u‖ γ (standard rounding analysis, any order
of summation). What that bound leaves open is redone in float64, so no result depends on block sizes or threads.
Equal rows of U (real models have some) are true ties.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

UNIT = 2.0**-24  # half the distance from 1 to the next float32
BLOCK = 1984  # columns of U a product: as many 8-byte words as `count` sums at once
ROWS = 1024  # rows of y a product
LEADING = 1024  # columns that the low-rank sieve looks at
FEW = 128  # of these, the columns that it tries on every pair
BYTES = 1 << 27  # of float64 rows held at once


def gamma(terms: int) -> float:
    """Relative error of a float32 sum of that many products, in any order."""
    return terms * UNIT / (1 - terms * UNIT)


class Columns(NamedTuple):
    """U prepared for rank tests: its rows by falling distance from their mean, since those beat others soonest.

    They are kept in the precision of the checkpoint.
    """

    rows: Tensor  # (V, d)
    ids: Tensor  # (V,) token of each row
    place: Tensor  # (V,) row of each token
    longest: float  # largest norm of a row
    mean: Tensor  # (d,) float64

    @classmethod
    def of(cls, unembedding: Tensor) -> Columns:
        """Sorts U, (V, d)."""
        parts = unembedding.split(4 * BLOCK)
        mean = torch.stack([part.double().sum(0) for part in parts]).sum(0) / len(unembedding)
        centre = mean.float()
        ids = torch.cat([(part.float() - centre).norm(dim=1) for part in parts]).argsort(descending=True)
        place = torch.empty_like(ids)
        place[ids] = torch.arange(len(ids), device=ids.device)
        longest = max(float(part.float().norm(dim=1).max()) for part in parts)
        return cls(unembedding[ids].contiguous(), ids, place, longest, mean)

    def __len__(self) -> int:
        return len(self.rows)

    def of_tokens(self, tokens: Tensor) -> Tensor:
        """The rows of some tokens as they are kept, (n, d)."""
        return self.rows[self.place[tokens]]

    def blocks(self, width: int) -> Iterator[tuple[int, Tensor]]:
        """All rows in float32, `width` at a time, each time with the first one's place."""
        for start in range(0, len(self.rows), width):
            yield start, self.rows[start : start + width].float()

    def bound(self, y: Tensor) -> Tensor:
        """How far a float32 score of each row of y (n, d, float64) may be off, (n,)."""
        return 1.01 * y.norm(dim=1) * self.longest * (gamma(y.shape[1] + 2) + 2 * UNIT)

    def tolerance(self, y: Tensor) -> Tensor:
        """Within how much two float64 scores of a row of y are a tie, (n,)."""
        return y.norm(dim=1) * self.longest * (y.shape[1] + 2) * 2.0**-52


def at_unit_length(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n, d) in float64 at length 1, and their lengths (n,): float32 neither over- nor underflows on them."""
    lengths = rows.norm(dim=1)
    return rows / lengths.where(lengths > 0, 1)[:, None], lengths


def count(flags: Tensor) -> Tensor:
    """How many entries of each row are true: (n, w) bool to (n,). Sums eight at a time, as bytes of a word."""
    rows, width = flags.shape
    if width % 8 or not flags.numel() or not flags.is_contiguous():
        return flags.sum(1)
    words = flags.view(-1).view(torch.int64).view(rows, width // 8)
    parts = [part.sum(1).view(torch.uint8).view(rows, 8).sum(1) for part in words.split(248, dim=1)]
    return torch.stack(parts).sum(0)


class Sieve(NamedTuple):
    """What tells at low rank that most pairs are no hit: a few hundred tokens that would often beat the target.

    c_j = W_O u_j; a score is z · c_j with z = ẽ W_V, so that it costs d_h products and not d.
    """

    leading: Tensor  # (H, d_h, LEADING) float32, for ‖W_O‖ = 1 (Frobenius): ranks don't depend on it
    own: Tensor  # (n, H, d_h) float32: c of each pair's target
    slack: float  # how far z · c may be off, for ‖z‖ = 1

    @classmethod
    def of(cls, outputs: Tensor, targets: Tensor, columns: Columns) -> Sieve:
        """Prepares a layer's outputs (H, d_h, d) in float64 and the pairs' targets (n,)."""
        count, width, d = outputs.shape
        flat = at_unit_length(outputs.reshape(count, width * d))[0].view(count * width, d).float()
        leading = (columns.rows[:LEADING].float() @ flat.T).unflatten(1, (count, width))
        own = (columns.of_tokens(targets).float() @ flat.T).unflatten(1, (count, width))
        longest = max(float(leading.norm(dim=2).max()), float(own.norm(dim=2).max()) if len(own) else 0.0)
        slack = 1.01 * (gamma(d + 2) * columns.longest + (gamma(width) + 2 * UNIT) * longest)
        return cls(leading.permute(1, 2, 0).contiguous(), own, slack)

    def survivors(self, z: Tensor, head: int, k: Tensor) -> Tensor:
        """The pairs that may still be hits under one head: z (n, d_h) float64, k (n,) to ids (m,)."""
        rows = at_unit_length(z)[0].float()
        own = torch.linalg.vecdot(rows, self.own[:, head]).double()
        high, low = outward(own + 2 * self.slack, own - 2 * self.slack)
        live = torch.arange(len(z), device=z.device)
        above, below = torch.zeros_like(live), torch.zeros_like(live)
        for part in self.leading[head].tensor_split([FEW], dim=1):
            scores = rows[live] @ part
            above[live] += count(scores > high[live, None])
            below[live] += count(scores < low[live, None])
            live = live[(above[live] < k[live]) | (below[live] < k[live])]
        return live


def outward(high: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
    """Float64 bounds as float32 ones that enclose them."""
    top, bottom = high.float(), low.float()
    return top.nextafter(top.new_tensor(torch.inf)), bottom.nextafter(bottom.new_tensor(-torch.inf))


class Hits(NamedTuple):
    """For each row: is its target among the k highest (fewer than k strictly higher), or the k lowest?"""

    top: Tensor  # (n,) bool
    bottom: Tensor  # (n,) bool


def hits(y: Tensor, targets: Tensor, k: Tensor, columns: Columns) -> Hits:
    """Rank tests of one target a row: y (n, d) float64 written rows, targets (n,) ids, k (n,) how many count.

    A row is dropped once k tokens are surely higher and k surely lower than its target.
    """
    y, _ = at_unit_length(y)
    own = (y * columns.of_tokens(targets).double()).sum(1)  # (n,)
    bound = columns.bound(y)
    high, low = outward(own + bound, own - bound)
    rows = y.float()
    above, below = torch.zeros_like(targets), torch.zeros_like(targets)
    live = torch.arange(len(y), device=y.device)
    for _, block in columns.blocks(BLOCK):
        if not len(live):
            break
        for part in live.split(ROWS):
            scores = rows[part] @ block.T
            above[part] += count(scores > high[part, None])
            below[part] += count(scores < low[part, None])
        live = live[(above[live] < k[live]) | (below[live] < k[live])]
    others = len(columns) - 1
    top, bottom = others - below < k, others - above < k
    doubt = (((above < k) & ~top) | ((below < k) & ~bottom)).nonzero()[:, 0]
    for i in doubt.tolist():
        higher, lower = recounted(y[i], rows[i], own[i], high[i], low[i], columns)
        top[i], bottom[i] = higher < k[i], lower < k[i]
    return Hits(top, bottom)


def recounted(y: Tensor, row: Tensor, own: Tensor, high: Tensor, low: Tensor, columns: Columns) -> tuple[int, int]:
    """How many tokens score strictly higher, and strictly lower, than the target: those in doubt in float64.

    Counts all tokens anew: this product rounds otherwise than the blocks', so the two counts don't add up.
    """
    tie = float(columns.tolerance(y[None])[0])
    higher = lower = 0
    for start, block in columns.blocks(16 * BLOCK):
        scores = block @ row
        near = columns.rows[start : start + len(block)][(scores <= high) & (scores >= low)].double() @ y
        higher += int((scores > high).sum()) + int((near > own + tie).sum())
        lower += int((scores < low).sum()) + int((near < own - tie).sum())
    return higher, lower
