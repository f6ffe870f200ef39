"""Which entries are among the highest of a row of M: exact answers from float32 products with error bounds.

A float32 product of a row with U differs from the true one by at most ‖y‖ ‖u‖ γ (standard rounding analysis, any order
of summation). What that bound leaves open is redone in float64, so no result depends on block sizes or threads.
Equal rows of U (real models have some) are true ties.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

UNIT = 2.0**-24  # half the distance from 1 to the next float32
BLOCK = 2048  # columns of U a product
ROWS = 1024  # rows of y a product
SPARE = 8  # candidates beyond the asked number


class Columns(NamedTuple):
    """U prepared for rank tests: its rows by falling distance from their mean, since those beat others soonest."""

    rows: Tensor  # (V, d) float32
    ids: Tensor  # (V,) token of each row
    place: Tensor  # (V,) row of each token
    longest: float  # largest norm of a row

    @classmethod
    def of(cls, unembedding: Tensor) -> Columns:
        """Sorts U, (V, d)."""
        ids = (unembedding - unembedding.mean(0)).norm(dim=1).argsort(descending=True)
        place = torch.empty_like(ids)
        place[ids] = torch.arange(len(ids), device=ids.device)
        return cls(unembedding[ids].contiguous(), ids, place, float(unembedding.norm(dim=1).max()))

    def bound(self, y: Tensor) -> Tensor:
        """How far a float32 score of each row of y (n, d, float64) may be off, (n,)."""
        n = y.shape[1] + 2
        return 1.01 * y.norm(dim=1) * self.longest * (n * UNIT / (1 - n * UNIT) + 2 * UNIT)

    def tolerance(self, y: Tensor) -> Tensor:
        """Within how much two float64 scores of a row of y are a tie, (n,)."""
        return y.norm(dim=1) * self.longest * (y.shape[1] + 2) * 2.0**-52


def in_order(scores: Tensor, ids: Tensor, tolerance: Tensor | float) -> Tensor:
    """The permutation that sorts by score, highest first, and by lower id among ties; (n,) to (n,).

    Scores that follow each other by no more than `tolerance` (float64 rounding) are a tie: duplicate rows.
    """
    order = scores.argsort(descending=True, stable=True)
    gaps = scores[order].diff(prepend=scores[order][:1]).abs() > tolerance
    groups = gaps.cumsum(0)
    by_id = ids[order].argsort(stable=True)
    return order[by_id[groups[by_id].argsort(stable=True)]]


class Hits(NamedTuple):
    """For each row: is its target among the k highest (fewer than k strictly higher), or the k lowest?"""

    top: Tensor  # (n,) bool
    bottom: Tensor  # (n,) bool


def blocks(size: int) -> list[tuple[int, int]]:
    """Column ranges: small ones first, since most targets are beaten by a few hundred columns."""
    edges = {0, *(edge for edge in (128, 512, 1024) if edge < size), *range(BLOCK, size, BLOCK), size}
    return list(pairwise(sorted(edges)))


def hits(y: Tensor, targets: Tensor, k: Tensor, columns: Columns) -> Hits:
    """Rank tests of one target a row: y (n, d) float64 written rows, targets (n,) ids, k (n,) how many count.

    A row is dropped once k tokens are surely higher and k surely lower than its target.
    """
    own = (y * columns.rows[columns.place[targets]].double()).sum(1)  # (n,)
    bound = columns.bound(y)
    high, low = (own + bound).float(), (own - bound).float()
    high, low = high.nextafter(high.new_tensor(torch.inf)), low.nextafter(low.new_tensor(-torch.inf))
    rows = y.float()
    above, below = torch.zeros_like(targets), torch.zeros_like(targets)
    live = torch.arange(len(y), device=y.device)
    for start, stop in blocks(len(columns.rows)):
        block = columns.rows[start:stop].T
        for part in live.split(ROWS):
            scores = rows[part] @ block
            above[part] += (scores > high[part, None]).sum(1)
            below[part] += (scores < low[part, None]).sum(1)
        live = live[(above[live] < k[live]) | (below[live] < k[live])]
    others = len(columns.rows) - 1
    top, bottom = others - below < k, others - above < k
    doubt = (((above < k) & ~top) | ((below < k) & ~bottom)).nonzero()[:, 0]
    for i in doubt.tolist():
        higher, lower = counted(y[i], rows[i], own[i], high[i], low[i], columns)
        top[i], bottom[i] = higher < k[i], lower < k[i]
    return Hits(top, bottom)


def counted(y: Tensor, row: Tensor, own: Tensor, high: Tensor, low: Tensor, columns: Columns) -> tuple[int, int]:
    """How many tokens score strictly higher, and strictly lower, than the target: those in doubt in float64.

    Counts all tokens anew: this product rounds otherwise than the blocks', so the two counts don't add up.
    """
    scores = columns.rows @ row  # (V,)
    near = columns.rows[(scores <= high) & (scores >= low)].double() @ y
    tie = float(columns.tolerance(y[None])[0])
    higher = int((scores > high).sum()) + int((near > own + tie).sum())
    return higher, int((scores < low).sum()) + int((near < own - tie).sum())


class Targets(NamedTuple):
    """The highest-scoring tokens of each row: ids (n, count) and scores (n, count) in float64."""

    ids: Tensor
    scores: Tensor


def highest(y: Tensor, scores: Tensor, count: int, columns: Columns) -> Targets:
    """The `count` highest targets of each row of y (n, d, float64), by score and then lower id.

    `scores` (n, V) is the float32 product of y with `columns.rows`; the leading candidates are redone in float64.
    """
    count = min(count, scores.shape[1])
    wide = min(count + SPARE, scores.shape[1])
    leading = scores.topk(wide, dim=1)
    bound, tie = columns.bound(y), columns.tolerance(y)
    ids, values = [], []
    for i in range(len(y)):
        cut = leading.values[i, count - 1] - 2 * bound[i].float()
        near = leading.indices[i] if leading.values[i, -1] < cut else (scores[i] >= cut).nonzero()[:, 0]
        exact = columns.rows[near].double() @ y[i]
        names = columns.ids[near]
        order = in_order(exact, names, float(tie[i]))[:count]
        ids.append(names[order])
        values.append(exact[order])
    return Targets(torch.stack(ids), torch.stack(values))
