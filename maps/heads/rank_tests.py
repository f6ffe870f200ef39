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

from maps.heads.eight_bit import normalise_rows
from maps.heads.unembedding import BLOCK, UNIT_ROUNDOFF, Unembedding, gamma

GROUP_COLUMNS = 64  # columns whose highest score is looked at first
ROWS = 1024  # rows of y a product
DENSE_GROUPS_SHARE = 1 / 2  # share of groups with such a score from which on scores are counted before they are found
FLOAT32_RETRY_SHARE = 1 / 64  # share of a product's scores from which on those left open are sought in float32 instead
SIEVE_COLUMNS = 1024  # columns that the low-rank sieve looks at
MAX_SUM_TERMS = 1024  # products that float32 adds up in the sieve: its error bound grows with them
FIRST_SIEVE_COLUMNS = 128  # of these, the columns that it tries on every pair
CACHE_BYTES = 1 << 20  # of float64 rows that are made for a few products: what a processor's cache holds


def count_true(flags: Tensor) -> Tensor:
    """How many entries of each row are true: (n, w) bool to (n,). Sums eight at a time, as bytes of a word."""
    rows, width = flags.shape
    if width % 8 or not flags.numel() or not flags.is_contiguous():
        return flags.sum(1)
    words = flags.view(-1).view(torch.int64).view(rows, width // 8)
    parts = [part.sum(1).view(torch.uint8).view(rows, 8).sum(1) for part in words.split(248, dim=1)]
    return torch.stack(parts).sum(0)


class LowRankSieve(NamedTuple):
    """What tells at low rank that most pairs are no hit: tokens that would often beat the target.

    c_j = W_O u_j; a score is z · c_j with z = ẽ W_V, so that it costs d_h products and not d.
    """

    leading_columns: Tensor  # (H, d_h, w) float32, for ‖W_O‖ = 1 (Frobenius): ranks don't depend on it
    target_columns: Tensor  # (H, m, d_h) float32: c of each target
    target_index: Tensor  # (n,) which of the targets is each pair's
    error_bound: float  # how far z · c may be off, for ‖z‖ = 1

    @classmethod
    def prepare(cls, outputs: Tensor, targets: Tensor, unembedding: Unembedding) -> LowRankSieve:
        """Prepares the outputs (H, d_h, d) of some heads in float64, the pairs' targets (n,), and the tokens."""
        heads, d_h, d = outputs.shape
        flat = normalise_rows(outputs.reshape(heads, d_h * d))[0].view(heads * d_h, d).float()
        tokens, which = targets.unique(return_inverse=True)
        parts = [float32_product(block, flat) for _, block in unembedding.blocks(BLOCK, SIEVE_COLUMNS)]
        leading = torch.cat(parts).unflatten(1, (heads, d_h))
        own = (
            float32_product(unembedding.rows_of_tokens(tokens).float(), flat)
            .unflatten(1, (heads, d_h))
            .transpose(0, 1)
            .contiguous()
        )
        longest = max(float(each.norm(dim=2).max()) if len(tokens) else 0.0 for each in (leading, own))
        slack = 1.01 * (
            gamma(min(d, MAX_SUM_TERMS) + 3) * unembedding.largest_norm + (gamma(d_h) + 2 * UNIT_ROUNDOFF) * longest
        )
        return cls(leading.permute(1, 2, 0).contiguous(), own, which, slack)

    def surviving_pairs(self, rows: Tensor, head: int, k: Tensor) -> tuple[Tensor, Tensor]:
        """The pairs whose target may still be among one head's k highest (m,), and its k lowest (l,).

        `rows` (n, d_h) are z / ‖z‖ in float32, k (n,).
        """
        own = torch.linalg.vecdot(rows, self.target_columns[head][self.target_index]).double()
        high, low = round_outward(own + 2 * self.error_bound, own - 2 * self.error_bound, torch.float32)
        above, below = torch.zeros_like(k), torch.zeros_like(k)
        live = torch.arange(len(k), device=k.device)
        for block in self.leading_columns[head].tensor_split([FIRST_SIEVE_COLUMNS], dim=1):
            for some in live.split(8 * ROWS):
                scores = rows[some] @ block
                above[some] += count_true(scores > high[some, None])
                below[some] += count_true(scores < low[some, None])
            live = live[(above[live] < k[live]) | (below[live] < k[live])]
        return (above < k).nonzero()[:, 0], (below < k).nonzero()[:, 0]


def float32_product(a: Tensor, b: Tensor) -> Tensor:
    """a bᵀ in float32, (n, d) and (m, d) to (n, m): sums of TERMS products at most, added up in float64."""
    if a.shape[1] <= MAX_SUM_TERMS:
        return a @ b.T
    out = torch.zeros(len(a), len(b), dtype=torch.float64, device=a.device)
    for x, y in zip(a.split(MAX_SUM_TERMS, dim=1), b.split(MAX_SUM_TERMS, dim=1), strict=True):
        out += x @ y.T
    return out.float()


def round_outward(high: Tensor, low: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Float64 bounds in another precision, such that they enclose them."""
    top, bottom = high.to(dtype), low.to(dtype)
    return top.nextafter(top.new_tensor(torch.inf)), bottom.nextafter(bottom.new_tensor(-torch.inf))


class TargetHits(NamedTuple):
    """For each row: is its target among the k highest (fewer than k strictly higher), or the k lowest?"""

    top: Tensor  # (n,) bool
    bottom: Tensor  # (n,) bool


def target_hits(y: Tensor, targets: Tensor, k: Tensor, unembedding: Unembedding) -> TargetHits:
    """Rank tests of one target a row: y (n, d) float64 written rows, targets (n,) ids, k (n,) how many count."""
    both = is_among_highest(torch.cat([y, -y]), targets.repeat(2), k.repeat(2), unembedding)
    return TargetHits(both[: len(y)], both[len(y) :])


class UndecidedScores(NamedTuple):
    """Of some rows (m,): how many scores are surely higher than the target's, and which may be."""

    certain_count: Tensor  # (m,)
    row: Tensor  # (c,) place among the rows, of those that fewer than enough are surely higher than
    column: Tensor  # (c,) place in the block


class ScoreScreen(NamedTuple):
    """Rows y in a fast precision, with what says how far their scores may be off."""

    rounded_rows: Tensor  # (n, d)
    rounding_norms: Tensor  # (n,) float64: ‖y − rows‖
    target_scores: Tensor  # (n,) float64: score of each row's target

    @classmethod
    def from_rows(cls, y: Tensor, target_scores: Tensor, dtype: torch.dtype) -> ScoreScreen:
        """Rounds rows of y (n, d), float64 at length 1."""
        rows = y.to(dtype)
        return cls(rows, (y - rows.double()).norm(dim=1), target_scores)

    def undecided_scores(
        self, row_ids: Tensor, needed_count: Tensor, block: Tensor, largest_norm: float, largest_rounding_norm: float
    ) -> UndecidedScores:
        """Which columns of a block (w, d) may score higher than the targets of some rows (m,).

        `needed_count` (m,): how many surely higher ones settle a row. `largest_norm` is the largest norm of these columns, `largest_rounding_norm`
        that of what rounding left of one.
        """
        scores = block @ self.rounded_rows[row_ids].T
        if len(scores) % GROUP_COLUMNS:
            scores = torch.nn.functional.pad(scores, (0, 0, 0, -len(scores) % GROUP_COLUMNS), value=-torch.inf)
        scores = scores.view(-1, GROUP_COLUMNS, len(row_ids))
        ceiling, floor = self.score_limits(row_ids, largest_norm, largest_rounding_norm)
        open_groups = scores.amax(1) >= floor
        settled = torch.zeros_like(needed_count)
        if (
            int(open_groups.sum()) > DENSE_GROUPS_SHARE * open_groups.numel()
        ):  # counting them is faster than finding each
            settled = (scores > ceiling).sum((0, 1))
            open_groups &= settled < needed_count
        group, row = open_groups.nonzero().T
        inside = scores[group, :, row]
        which, place = (inside >= floor[row, None]).nonzero().T
        sure = inside[which, place] > ceiling[row[which]]
        found = torch.zeros_like(needed_count).index_add_(0, row[which], sure.to(needed_count.dtype))
        doubt = (~sure & (found < needed_count)[row[which]]).nonzero()[:, 0]
        which, place = which[doubt], place[doubt]
        return UndecidedScores(torch.maximum(found, settled), row[which], group[which] * GROUP_COLUMNS + place)

    def score_limits(self, row_ids: Tensor, largest_norm: float, largest_rounding_norm: float) -> tuple[Tensor, Tensor]:
        """What the scores of some rows' columns are above where they are surely higher than the target's, and what
        they are below where they are surely no higher: (m,) each.
        """
        own, terms, dtype = self.target_scores[row_ids], self.rounded_rows.shape[1], self.rounded_rows.dtype
        reach = 1.02 * ((self.rounding_norms[row_ids] + gamma(terms + 2)) * largest_norm + largest_rounding_norm)
        reach += 1.05 * torch.finfo(dtype).eps * (own.abs() + reach)  # scores and limits are rounded too
        return round_outward(own + reach, own - reach, dtype)


def is_among_highest(y: Tensor, targets: Tensor, k: Tensor, unembedding: Unembedding) -> Tensor:
    """Whether fewer than k tokens score strictly higher than a row's target: (n, d) float64 to (n,) bool.

    A row is dropped as soon as k do.
    """
    y, lengths = normalise_rows(y)
    own, tie = torch.linalg.vecdot(unembedding.rows_of_tokens(targets).double(), y), unembedding.tie_tolerances(y)
    coarse = ScoreScreen.from_rows(y, own, unembedding.coarse_rows.dtype)
    above, live = torch.zeros_like(k), lengths.nonzero()[:, 0]  # all tokens tie in a row of zeros
    for start in range(0, len(unembedding), BLOCK):
        part = slice(start, start + BLOCK)
        longest, off = float(unembedding.norms[part].max()), float(unembedding.rounding_norms[part].max())
        for rows in live.split(ROWS) if len(live) else ():
            enough = k[rows] - above[rows]
            found = coarse.undecided_scores(rows, enough, unembedding.coarse_rows[part], longest, off)
            if len(found.row) > FLOAT32_RETRY_SHARE * len(rows) * BLOCK:
                single, every = (
                    ScoreScreen.from_rows(y[rows], own[rows], torch.float32),
                    torch.arange(len(rows), device=y.device),
                )
                found = single.undecided_scores(every, enough, unembedding.rows[part].float(), longest, 0.0)
            above[rows] += found.certain_count
            row, place = rows[found.row], found.column + start
            higher = exact_scores(y, row, place, unembedding) > own[row] + tie[row]
            above.index_add_(0, row, higher.to(above.dtype))
        live = live[above[live] < k[live]]
    return above < k


def exact_scores(y: Tensor, rows: Tensor, positions: Tensor, unembedding: Unembedding) -> Tensor:
    """The float64 scores of some rows of y (n, d) on some columns, pair by pair: (c,) and (c,) to (c,)."""
    at_once = max(1, CACHE_BYTES // (8 * y.shape[1]))
    pairs = zip(rows.split(at_once), positions.split(at_once), strict=True)
    return torch.cat([torch.linalg.vecdot(unembedding.rows[place].double(), y[row]) for row, place in pairs])


class RankCounts(NamedTuple):
    """Where each row's target stands: how many tokens score strictly higher (n,), and strictly lower (n,)."""

    higher_count: Tensor
    lower_count: Tensor
    target_scores: Tensor  # (n,) float64: the target's score


def count_ranks(y: Tensor, targets: Tensor, unembedding: Unembedding) -> RankCounts:
    """Counts the tokens on either side of a row's target, over the whole row: y (n, d) float64, targets (n,) ids."""
    parts = [count_ranks_of_block(*part, unembedding) for part in zip(y.split(ROWS), targets.split(ROWS), strict=True)]
    return RankCounts(*(torch.cat(each) for each in zip(*parts, strict=True)))


def count_ranks_of_block(y: Tensor, targets: Tensor, unembedding: Unembedding) -> RankCounts:
    """The same for a few rows: float32 settles nearly all scores, and those within its bound are redone in float64."""
    y, lengths = normalise_rows(y)
    own, tie = torch.linalg.vecdot(unembedding.rows_of_tokens(targets).double(), y), unembedding.tie_tolerances(y)
    live = lengths.nonzero()[:, 0]  # all tokens tie in a row of zeros
    screen = ScoreScreen.from_rows(y[live], own[live], torch.float32)
    every = torch.arange(len(live), device=y.device)
    above, below = (torch.zeros_like(targets) for _ in range(2))
    for start, block in unembedding.blocks(BLOCK):
        ceiling, floor = screen.score_limits(every, float(unembedding.norms[start : start + BLOCK].max()), 0.0)
        scores = screen.rounded_rows @ block.T
        high, low = count_true(scores > ceiling[:, None]), count_true(scores < floor[:, None])
        above[live] += high
        below[live] += low
        doubt = (high + low < len(block)).nonzero()[:, 0]
        near = (scores[doubt] <= ceiling[doubt, None]) & (scores[doubt] >= floor[doubt, None])
        row, place = near.nonzero().T
        if not len(row):
            continue
        rows = live[doubt[row]]
        difference = exact_scores(y, rows, place + start, unembedding) - own[rows]
        above.index_add_(0, rows, (difference > tie[rows]).to(above.dtype))
        below.index_add_(0, rows, (difference < -tie[rows]).to(below.dtype))
    return RankCounts(above, below, own * lengths)
