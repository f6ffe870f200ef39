"""Which targets are among the k highest of a row of M: exact answers from float32 products with error bounds.

A float32 product of a row with U differs from the true one by at most ‖y‖ ‖u‖ γ (standard rounding analysis, any order
of summation). What that bound leaves open is redone in float64, so no result depends on block sizes or threads.
Equal rows of U (real models have some) are true ties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from maps.eight_bit import at_unit_length

UNIT = 2.0**-24  # half the distance from 1 to the next float32
BLOCK = 1984  # columns of U a product: as many 8-byte words as `count` sums at once
ROWS = 1024  # rows of y a product
LEADING = 1024  # columns that the low-rank sieve looks at
TERMS = 1024  # products that float32 adds up in the sieve: its error bound grows with them
FEW = 128  # of these, the columns that it tries on every pair
MANY = 4  # times d_h: pairs left by the sieve from which on a head tries all tokens at low rank
BYTES = 1 << 27  # of float64 rows held at once


Counts = tuple[Tensor, Tensor]


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

    def blocks(self, width: int, among: int | None = None) -> Iterator[tuple[int, Tensor]]:
        """The first rows, or all, in float32, `width` at a time, each time with the first one's place."""
        rows = self.rows[:among]
        for start in range(0, len(rows), width):
            yield start, rows[start : start + width].float()

    def bound(self, y: Tensor) -> Tensor:
        """How far a float32 score of each row of y (n, d, float64) may be off, (n,)."""
        return 1.01 * y.norm(dim=1) * self.longest * (gamma(y.shape[1] + 2) + 2 * UNIT)

    def tolerance(self, y: Tensor) -> Tensor:
        """Within how much two float64 scores of a row of y are a tie, (n,)."""
        return y.norm(dim=1) * self.longest * (y.shape[1] + 2) * 2.0**-52


def count(flags: Tensor) -> Tensor:
    """How many entries of each row are true: (n, w) bool to (n,). Sums eight at a time, as bytes of a word."""
    rows, width = flags.shape
    if width % 8 or not flags.numel() or not flags.is_contiguous():
        return flags.sum(1)
    words = flags.view(-1).view(torch.int64).view(rows, width // 8)
    parts = [part.sum(1).view(torch.uint8).view(rows, 8).sum(1) for part in words.split(248, dim=1)]
    return torch.stack(parts).sum(0)


class Sieve(NamedTuple):
    """What tells at low rank that most pairs are no hit: tokens that would often beat the target.

    c_j = W_O u_j; a score is z · c_j with z = ẽ W_V, so that it costs d_h products and not d.
    """

    leading: Tensor  # (H, d_h, w) float32, for ‖W_O‖ = 1 (Frobenius): ranks don't depend on it
    own: Tensor  # (H, m, d_h) float32: c of each target
    which: Tensor  # (n,) which of the targets is each pair's
    slack: float  # how far z · c may be off, for ‖z‖ = 1

    @classmethod
    def of(cls, outputs: Tensor, targets: Tensor, columns: Columns, width: int) -> Sieve:
        """Prepares the outputs (H, d_h, d) of some heads in float64, the pairs' targets (n,), and `width` tokens."""
        heads, d_h, d = outputs.shape
        flat = at_unit_length(outputs.reshape(heads, d_h * d))[0].view(heads * d_h, d).float()
        tokens, which = targets.unique(return_inverse=True)
        parts = [product(block, flat) for _, block in columns.blocks(BLOCK, width)]
        leading = torch.cat(parts).unflatten(1, (heads, d_h))
        own = product(columns.of_tokens(tokens).float(), flat).unflatten(1, (heads, d_h)).transpose(0, 1).contiguous()
        longest = max(float(each.norm(dim=2).max()) if len(tokens) else 0.0 for each in (leading, own))
        slack = 1.01 * (gamma(min(d, TERMS) + 3) * columns.longest + (gamma(d_h) + 2 * UNIT) * longest)
        return cls(leading.permute(1, 2, 0).contiguous(), own, which, slack)

    def counts(self, z: Tensor, head: int, k: Tensor, parts: Sequence[Tensor]) -> Counts:
        """How many of some tokens, parts of `leading`, are surely higher and lower: z (n, d_h) float64, k (n,)."""
        rows = at_unit_length(z)[0].float()
        own = torch.linalg.vecdot(rows, self.own[head][self.which]).double()
        high, low = outward(own + 2 * self.slack, own - 2 * self.slack)

        def part(block: Tensor, some: Tensor) -> Counts:
            return compared(rows[some] @ block, high[some], low[some])

        return counts(k, [partial(part, block) for block in parts], 8 * ROWS)

    def survivors(self, z: Tensor, head: int, k: Tensor) -> Tensor:
        """The pairs that may still be hits under one head: z (n, d_h) float64, k (n,) to ids (m,)."""
        above, below = self.counts(z, head, k, self.leading[head].tensor_split([FEW], dim=1))
        return ((above < k) | (below < k)).nonzero()[:, 0]

    def decided(self, z: Tensor, k: Tensor) -> tuple[Hits, Tensor]:
        """For a sieve of one head and all tokens: the hits as far as they are sure, and the rows that are not (m,)."""
        above, below = self.counts(z, 0, k, self.leading[0].split(BLOCK, dim=1))
        return sure(above, below, k, self.leading.shape[2])


def product(a: Tensor, b: Tensor) -> Tensor:
    """a bᵀ in float32, (n, d) and (m, d) to (n, m): sums of TERMS products at most, added up in float64."""
    if a.shape[1] <= TERMS:
        return a @ b.T
    out = torch.zeros(len(a), len(b), dtype=torch.float64, device=a.device)
    for x, y in zip(a.split(TERMS, dim=1), b.split(TERMS, dim=1), strict=True):
        out += x @ y.T
    return out.float()


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

    In float32, and in float64 what its bound leaves open.
    """
    y, _ = at_unit_length(y)
    own = (y * columns.of_tokens(targets).double()).sum(1)  # (n,)
    bound = columns.bound(y)
    high, low = outward(own + bound, own - bound)
    rows = y.float()

    def part(block: Tensor, some: Tensor) -> Counts:
        return compared(rows[some] @ block.T, high[some], low[some])

    above, below = counts(k, (partial(part, block) for _, block in columns.blocks(BLOCK)))
    (top, bottom), doubt = sure(above, below, k, len(columns))
    higher, lower = recounted(y[doubt], own[doubt], high[doubt], low[doubt], columns)
    top[doubt], bottom[doubt] = higher < k[doubt], lower < k[doubt]
    return Hits(top, bottom)


def compared(scores: Tensor, high: Tensor, low: Tensor) -> Counts:
    """How many scores (n, w) of each row are above `high` (n,), and below `low` (n,)."""
    return count(scores > high[:, None]), count(scores < low[:, None])


def counts(k: Tensor, parts: Iterable[Callable[[Tensor], Counts]], at_once: int = ROWS) -> Counts:
    """How many tokens are surely higher and surely lower than the target of each row, (n,) each.

    Each of `parts` counts among some columns for the rows it is given, at most so many at
    once. A row is dropped once k tokens are surely
    higher and k surely lower.
    """
    above, below = torch.zeros_like(k), torch.zeros_like(k)
    live = torch.arange(len(k), device=k.device)
    for part in parts:
        if not len(live):
            break
        for rows in live.split(at_once):
            higher, lower = part(rows)
            above[rows] += higher
            below[rows] += lower
        live = live[(above[live] < k[live]) | (below[live] < k[live])]
    return above, below


def sure(above: Tensor, below: Tensor, k: Tensor, columns: int) -> tuple[Hits, Tensor]:
    """What counts among all columns say: the hits as far as they are sure, and the rows that are not (m,)."""
    others = columns - 1
    top, bottom = others - below < k, others - above < k
    return Hits(top, bottom), (((above < k) & ~top) | ((below < k) & ~bottom)).nonzero()[:, 0]


def recounted(y: Tensor, own: Tensor, high: Tensor, low: Tensor, columns: Columns) -> tuple[Tensor, Tensor]:
    """How many tokens score strictly higher, and strictly lower, than each target: those in doubt in float64.

    Counts all tokens anew: this product rounds otherwise than the blocks', so the two counts don't add up.
    """
    tie, rows = columns.tolerance(y), y.float()
    higher, lower = (torch.zeros(len(y), dtype=torch.long, device=y.device) for _ in range(2))
    for start, block in columns.blocks(BLOCK) if len(y) else ():
        scores = rows @ block.T
        higher += count(scores > high[:, None])
        lower += count(scores < low[:, None])
        row, column = ((scores <= high[:, None]) & (scores >= low[:, None])).nonzero().T
        near = torch.linalg.vecdot(columns.rows[column + start].double(), y[row])
        higher.index_add_(0, row, (near > own[row] + tie[row]).long())
        lower.index_add_(0, row, (near < own[row] - tie[row]).long())
    return higher, lower
