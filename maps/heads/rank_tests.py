"""Which targets are among the k highest of a row of M: exact answers from fast products with error bounds.

Rows and columns are rounded to bfloat16 where the processor multiplies that fast; how far a score may then be off is at
most what rounding left of either, times the other's length, and the rounding of the products' sum (standard analysis,
any order of summation). The few scores that this leaves open are redone in float64, so no result depends on block
sizes or threads. Equal rows of U (real models have some) are true ties.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.eight_bit import at_unit_length
from maps.heads.unembedding import BLOCK, UNIT, Columns, gamma

GROUP = 64  # columns whose highest score is looked at first
ROWS = 1024  # rows of y a product
MANY = 1 / 2  # share of groups with such a score from which on scores are counted before they are found
FLOOD = 1 / 64  # share of a product's scores from which on those left open are sought in float32 instead
LEADING = 1024  # columns that the low-rank sieve looks at
TERMS = 1024  # products that float32 adds up in the sieve: its error bound grows with them
FEW = 128  # of these, the columns that it tries on every pair
CACHE = 1 << 20  # of float64 rows that are made for a few products: what a processor's cache holds


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
    def of(cls, outputs: Tensor, targets: Tensor, columns: Columns) -> Sieve:
        """Prepares the outputs (H, d_h, d) of some heads in float64, the pairs' targets (n,), and the tokens."""
        heads, d_h, d = outputs.shape
        flat = at_unit_length(outputs.reshape(heads, d_h * d))[0].view(heads * d_h, d).float()
        tokens, which = targets.unique(return_inverse=True)
        parts = [product(block, flat) for _, block in columns.blocks(BLOCK, LEADING)]
        leading = torch.cat(parts).unflatten(1, (heads, d_h))
        own = product(columns.of_tokens(tokens).float(), flat).unflatten(1, (heads, d_h)).transpose(0, 1).contiguous()
        longest = max(float(each.norm(dim=2).max()) if len(tokens) else 0.0 for each in (leading, own))
        slack = 1.01 * (gamma(min(d, TERMS) + 3) * columns.longest + (gamma(d_h) + 2 * UNIT) * longest)
        return cls(leading.permute(1, 2, 0).contiguous(), own, which, slack)

    def survivors(self, rows: Tensor, head: int, k: Tensor) -> tuple[Tensor, Tensor]:
        """The pairs whose target may still be among one head's k highest (m,), and its k lowest (l,).

        `rows` (n, d_h) are z / ‖z‖ in float32, k (n,).
        """
        own = torch.linalg.vecdot(rows, self.own[head][self.which]).double()
        high, low = outward(own + 2 * self.slack, own - 2 * self.slack, torch.float32)
        above, below = torch.zeros_like(k), torch.zeros_like(k)
        live = torch.arange(len(k), device=k.device)
        for block in self.leading[head].tensor_split([FEW], dim=1):
            for some in live.split(8 * ROWS):
                scores = rows[some] @ block
                above[some] += count(scores > high[some, None])
                below[some] += count(scores < low[some, None])
            live = live[(above[live] < k[live]) | (below[live] < k[live])]
        return (above < k).nonzero()[:, 0], (below < k).nonzero()[:, 0]


def product(a: Tensor, b: Tensor) -> Tensor:
    """a bᵀ in float32, (n, d) and (m, d) to (n, m): sums of TERMS products at most, added up in float64."""
    if a.shape[1] <= TERMS:
        return a @ b.T
    out = torch.zeros(len(a), len(b), dtype=torch.float64, device=a.device)
    for x, y in zip(a.split(TERMS, dim=1), b.split(TERMS, dim=1), strict=True):
        out += x @ y.T
    return out.float()


def outward(high: Tensor, low: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Float64 bounds in another precision, such that they enclose them."""
    top, bottom = high.to(dtype), low.to(dtype)
    return top.nextafter(top.new_tensor(torch.inf)), bottom.nextafter(bottom.new_tensor(-torch.inf))


class Hits(NamedTuple):
    """For each row: is its target among the k highest (fewer than k strictly higher), or the k lowest?"""

    top: Tensor  # (n,) bool
    bottom: Tensor  # (n,) bool


def hits(y: Tensor, targets: Tensor, k: Tensor, columns: Columns) -> Hits:
    """Rank tests of one target a row: y (n, d) float64 written rows, targets (n,) ids, k (n,) how many count."""
    both = among_highest(torch.cat([y, -y]), targets.repeat(2), k.repeat(2), columns)
    return Hits(both[: len(y)], both[len(y) :])


class Suspects(NamedTuple):
    """Of some rows (m,): how many scores are surely higher than the target's, and which may be."""

    sure: Tensor  # (m,)
    row: Tensor  # (c,) place among the rows, of those that fewer than enough are surely higher than
    column: Tensor  # (c,) place in the block


class Screen(NamedTuple):
    """Rows y in a fast precision, with what says how far their scores may be off."""

    rows: Tensor  # (n, d)
    left: Tensor  # (n,) float64: ‖y − rows‖
    own: Tensor  # (n,) float64: score of each row's target

    @classmethod
    def of(cls, y: Tensor, own: Tensor, dtype: torch.dtype) -> Screen:
        """Rounds rows of y (n, d), float64 at length 1."""
        rows = y.to(dtype)
        return cls(rows, (y - rows.double()).norm(dim=1), own)

    def suspects(self, some: Tensor, enough: Tensor, block: Tensor, longest: float, off: float) -> Suspects:
        """Which columns of a block (w, d) may score higher than the targets of some rows (m,).

        `enough` (m,): how many surely higher ones settle a row. `longest` is the largest norm of these columns, `off`
        that of what rounding left of one.
        """
        scores = block @ self.rows[some].T
        if len(scores) % GROUP:
            scores = torch.nn.functional.pad(scores, (0, 0, 0, -len(scores) % GROUP), value=-torch.inf)
        scores = scores.view(-1, GROUP, len(some))
        ceiling, floor = self.limits(some, longest, off)
        open_groups = scores.amax(1) >= floor
        settled = torch.zeros_like(enough)
        if int(open_groups.sum()) > MANY * open_groups.numel():  # counting them is faster than finding each
            settled = (scores > ceiling).sum((0, 1))
            open_groups &= settled < enough
        group, row = open_groups.nonzero().T
        inside = scores[group, :, row]
        which, place = (inside >= floor[row, None]).nonzero().T
        sure = inside[which, place] > ceiling[row[which]]
        found = torch.zeros_like(enough).index_add_(0, row[which], sure.to(enough.dtype))
        doubt = (~sure & (found < enough)[row[which]]).nonzero()[:, 0]
        which, place = which[doubt], place[doubt]
        return Suspects(torch.maximum(found, settled), row[which], group[which] * GROUP + place)

    def limits(self, some: Tensor, longest: float, off: float) -> tuple[Tensor, Tensor]:
        """What the scores of some rows' columns are above where they are surely higher than the target's, and what
        they are below where they are surely no higher: (m,) each.
        """
        own, terms, dtype = self.own[some], self.rows.shape[1], self.rows.dtype
        reach = 1.02 * ((self.left[some] + gamma(terms + 2)) * longest + off)
        reach += 1.05 * torch.finfo(dtype).eps * (own.abs() + reach)  # scores and limits are rounded too
        return outward(own + reach, own - reach, dtype)


def among_highest(y: Tensor, targets: Tensor, k: Tensor, columns: Columns) -> Tensor:
    """Whether fewer than k tokens score strictly higher than a row's target: (n, d) float64 to (n,) bool.

    A row is dropped as soon as k do.
    """
    y, lengths = at_unit_length(y)
    own, tie = torch.linalg.vecdot(columns.of_tokens(targets).double(), y), columns.tolerance(y)
    coarse = Screen.of(y, own, columns.coarse.dtype)
    above, live = torch.zeros_like(k), lengths.nonzero()[:, 0]  # all tokens tie in a row of zeros
    for start in range(0, len(columns), BLOCK):
        part = slice(start, start + BLOCK)
        longest, off = float(columns.norms[part].max()), float(columns.off[part].max())
        for rows in live.split(ROWS) if len(live) else ():
            enough = k[rows] - above[rows]
            found = coarse.suspects(rows, enough, columns.coarse[part], longest, off)
            if len(found.row) > FLOOD * len(rows) * BLOCK:
                single, every = Screen.of(y[rows], own[rows], torch.float32), torch.arange(len(rows), device=y.device)
                found = single.suspects(every, enough, columns.rows[part].float(), longest, 0.0)
            above[rows] += found.sure
            row, place = rows[found.row], found.column + start
            higher = exact_scores(y, row, place, columns) > own[row] + tie[row]
            above.index_add_(0, row, higher.to(above.dtype))
        live = live[above[live] < k[live]]
    return above < k


def exact_scores(y: Tensor, rows: Tensor, places: Tensor, columns: Columns) -> Tensor:
    """The float64 scores of some rows of y (n, d) on some columns, pair by pair: (c,) and (c,) to (c,)."""
    at_once = max(1, CACHE // (8 * y.shape[1]))
    pairs = zip(rows.split(at_once), places.split(at_once), strict=True)
    return torch.cat([torch.linalg.vecdot(columns.rows[place].double(), y[row]) for row, place in pairs])


class Standing(NamedTuple):
    """Where each row's target stands: how many tokens score strictly higher (n,), and strictly lower (n,)."""

    above: Tensor
    below: Tensor
    own: Tensor  # (n,) float64: the target's score


def standing(y: Tensor, targets: Tensor, columns: Columns) -> Standing:
    """Counts the tokens on either side of a row's target, over the whole row: y (n, d) float64, targets (n,) ids."""
    parts = [standing_of(*part, columns) for part in zip(y.split(ROWS), targets.split(ROWS), strict=True)]
    return Standing(*(torch.cat(each) for each in zip(*parts, strict=True)))


def standing_of(y: Tensor, targets: Tensor, columns: Columns) -> Standing:
    """The same for a few rows: float32 settles nearly all scores, and those within its bound are redone in float64."""
    y, lengths = at_unit_length(y)
    own, tie = torch.linalg.vecdot(columns.of_tokens(targets).double(), y), columns.tolerance(y)
    live = lengths.nonzero()[:, 0]  # all tokens tie in a row of zeros
    screen = Screen.of(y[live], own[live], torch.float32)
    every = torch.arange(len(live), device=y.device)
    above, below = (torch.zeros_like(targets) for _ in range(2))
    for start, block in columns.blocks(BLOCK):
        ceiling, floor = screen.limits(every, float(columns.norms[start : start + BLOCK].max()), 0.0)
        scores = screen.rows @ block.T
        high, low = count(scores > ceiling[:, None]), count(scores < floor[:, None])
        above[live] += high
        below[live] += low
        doubt = (high + low < len(block)).nonzero()[:, 0]
        near = (scores[doubt] <= ceiling[doubt, None]) & (scores[doubt] >= floor[doubt, None])
        row, place = near.nonzero().T
        if not len(row):
            continue
        rows = live[doubt[row]]
        difference = exact_scores(y, rows, place + start, columns) - own[rows]
        above.index_add_(0, rows, (difference > tie[rows]).to(above.dtype))
        below.index_add_(0, rows, (difference < -tie[rows]).to(below.dtype))
    return Standing(above, below, own * lengths)
