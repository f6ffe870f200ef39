"""Rank tests: is a target among the k highest of its row of M? Exact answers from fast products with error bounds.

The definition would cost a float64 score of every token: t is among the k highest for a row y = ẽ W_V W_O if fewer than
k tokens j have y · u_j > y · u_t. Instead:

1. Scores are computed in bfloat16, where the processor is fast at it, with a bound on how far each may be off. Each is
   then surely higher than the target's exact score (counted), surely not higher (ignored), or undecided.
2. The few undecided scores are computed again in float64.
3. Tokens that often score high come first (see `Unembedding`); a row is dropped as soon as k scores are surely higher.

Before that, `LowRankSieve` rules out most pairs with products of d_h instead of d terms. Every decision is that of
float64, whatever the block sizes and threads. Equal rows of U, which real models have, are ties and beat nobody.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.eight_bit import normalise_rows
from maps.heads.unembedding import BLOCK, UNIT_ROUNDOFF, Unembedding, gamma

GROUP_COLUMNS = 64  # columns in a group, of which only the highest score is looked at first
ROWS = 1024  # rows of y in one product
DENSE_GROUPS_SHARE = 1 / 2  # if more of the groups hold a candidate, count candidates first: locating each is slower
FLOAT32_RETRY_SHARE = 1 / 64  # if more of a block's scores stay undecided in bfloat16, redo the block in float32
SIEVE_COLUMNS = 1024  # tokens (the first rows of the unembedding) that the low-rank sieve scores
FIRST_SIEVE_COLUMNS = 128  # of these, the tokens scored for every pair; the rest only for pairs that are left
MAX_SUM_TERMS = 1024  # products added up in float32 by the sieve; longer sums are split, as the bound grows with them
CACHE_BYTES = 1 << 20  # memory for float64 rows made for a few products: what a processor's cache holds


def count_true(flags: Tensor) -> Tensor:
    """How many entries of each row are true, (n, w) bool to (n,).

    Eight flags are read as one 64-bit word. Sums of words add up all eight bytes at once, without a carry as long as
    there are at most 255 words; 248 are taken. This is several times as fast as summing flags.
    """
    rows, width = flags.shape
    if width % 8 or not flags.numel() or not flags.is_contiguous():
        return flags.sum(1)
    words = flags.view(-1).view(torch.int64).view(rows, width // 8)
    parts = [part.sum(1).view(torch.uint8).view(rows, 8).sum(1) for part in words.split(248, dim=1)]
    return torch.stack(parts).sum(0)


class LowRankSieve(NamedTuple):
    """Rules out pairs at low rank: those for which k or more of the leading tokens surely beat the target.

    A score is y · u_j = z · c_j with z = ẽ W_V and c_j = W_O u_j, vectors of d_h entries instead of d. The c_j of a
    head's SIEVE_COLUMNS leading tokens are computed once and serve all pairs. The lengths of z and of W_O change no
    rank, so both are brought to 1.
    """

    leading_columns: Tensor  # (H, d_h, w) float32: c of the leading tokens, for a W_O with ‖W_O‖ = 1 (Frobenius)
    target_columns: Tensor  # (H, m, d_h) float32: c of each different target
    target_index: Tensor  # (n,) which of these is the target of each pair
    error_bound: float  # how far a float32 score z · c may be off, for ‖z‖ = 1

    @classmethod
    def prepare(cls, outputs: Tensor, targets: Tensor, unembedding: Unembedding) -> LowRankSieve:
        """Prepares some heads' outputs (H, d_h, d) in float64 and the targets (n,) of the pairs."""
        heads, d_h, d = outputs.shape
        flat = normalise_rows(outputs.reshape(heads, d_h * d))[0].view(heads * d_h, d).float()
        tokens, target_index = targets.unique(return_inverse=True)
        parts = [float32_product(block, flat) for _, block in unembedding.blocks(BLOCK, SIEVE_COLUMNS)]
        leading = torch.cat(parts).unflatten(1, (heads, d_h))  # (w, H, d_h)
        own = float32_product(unembedding.rows_of_tokens(tokens).float(), flat)  # (m, H d_h)
        own = own.unflatten(1, (heads, d_h)).transpose(0, 1).contiguous()
        longest = float(leading.norm(dim=2).max())
        if len(tokens):
            longest = max(longest, float(own.norm(dim=2).max()))
        # Two errors add up:
        # - c is off. Entry i is a sum of at most MAX_SUM_TERMS products in float32, off by γ ‖row i of W_O‖ ‖u‖. Over
        #   all i that is γ ‖W_O‖ ‖u‖ with ‖W_O‖ = 1. Three more terms: rounding W_O, the parts, and their sum.
        # - z · c is a sum of d_h products: γ_(d_h) ‖z‖ ‖c‖ with ‖z‖ = 1, and 2 r for rounding z and the limits.
        # 1.01 covers products of these errors and the rounding of the bound itself.
        error_bound = 1.01 * (
            gamma(min(d, MAX_SUM_TERMS) + 3) * unembedding.largest_norm + (gamma(d_h) + 2 * UNIT_ROUNDOFF) * longest
        )
        return cls(leading.permute(1, 2, 0).contiguous(), own, target_index, error_bound)

    def surviving_pairs(self, rows: Tensor, head: int, k: Tensor) -> tuple[Tensor, Tensor]:
        """The pairs whose target may still be among one head's k highest (m,), and among its k lowest (l,).

        `rows` (n, d_h) are z / ‖z‖ of each pair's source in float32, k (n,).
        """
        own = torch.linalg.vecdot(rows, self.target_columns[head][self.target_index]).double()
        # Both scores may be off, the token's and the target's, so only a distance of two bounds is sure. The target and
        # its duplicates may be leading tokens themselves: they stay within the limits and never count.
        high, low = round_outward(own + 2 * self.error_bound, own - 2 * self.error_bound, torch.float32)
        above, below = torch.zeros_like(k), torch.zeros_like(k)
        live = torch.arange(len(k), device=k.device)
        for block in self.leading_columns[head].tensor_split([FIRST_SIEVE_COLUMNS], dim=1):
            for pairs in live.split(8 * ROWS):
                scores = rows[pairs] @ block
                above[pairs] += count_true(scores > high[pairs, None])
                below[pairs] += count_true(scores < low[pairs, None])
            live = live[(above[live] < k[live]) | (below[live] < k[live])]
        return (above < k).nonzero()[:, 0], (below < k).nonzero()[:, 0]


def float32_product(a: Tensor, b: Tensor) -> Tensor:
    """a bᵀ in float32, (n, d) and (m, d) to (n, m). Parts of MAX_SUM_TERMS products are added up in float64."""
    if a.shape[1] <= MAX_SUM_TERMS:
        return a @ b.T
    out = torch.zeros(len(a), len(b), dtype=torch.float64, device=a.device)
    for x, y in zip(a.split(MAX_SUM_TERMS, dim=1), b.split(MAX_SUM_TERMS, dim=1), strict=True):
        out += x @ y.T
    return out.float()


def round_outward(high: Tensor, low: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Float64 limits in another precision, moved outward by one number so that rounding never narrows them."""
    top, bottom = high.to(dtype), low.to(dtype)
    return top.nextafter(top.new_tensor(torch.inf)), bottom.nextafter(bottom.new_tensor(-torch.inf))


class TargetHits(NamedTuple):
    """For each row: is its target among the k highest (fewer than k strictly higher), or the k lowest?"""

    top: Tensor  # (n,) bool; (H, n) of several heads
    bottom: Tensor

    def of_head(self, head: int) -> TargetHits:
        """One head's, of those of several heads."""
        return TargetHits(self.top[head], self.bottom[head])


def target_hits(y: Tensor, targets: Tensor, k: Tensor, unembedding: Unembedding) -> TargetHits:
    """Rank tests of one target for each row: y (n, d) rows ẽ W_V W_O in float64, targets (n,) ids, k (n,)."""
    hits = is_among_highest(torch.cat([y, -y]), targets.repeat(2), k.repeat(2), unembedding)
    return TargetHits(hits[: len(y)], hits[len(y) :])


class UndecidedScores(NamedTuple):
    """The outcome of a screen for m rows: how many scores are surely higher than the target's, and which may be."""

    certain_count: Tensor  # (m,)
    row: Tensor  # (c,) index among the m rows; rows that are settled have no undecided scores
    column: Tensor  # (c,) index in the block


class ScoreScreen(NamedTuple):
    """Rows y in a fast precision, with the numbers that bound their scores."""

    rounded_rows: Tensor  # (n, d)
    rounding_norms: Tensor  # (n,) float64: ‖y − rounded_rows‖
    target_scores: Tensor  # (n,) float64: the exact score of each row's target

    @classmethod
    def from_rows(cls, y: Tensor, target_scores: Tensor, dtype: torch.dtype) -> ScoreScreen:
        """Rounds rows y (n, d), which are in float64 and of length 1."""
        rows = y.to(dtype)
        return cls(rows, (y - rows.double()).norm(dim=1), target_scores)

    def undecided_scores(
        self, row_ids: Tensor, needed_count: Tensor, block: Tensor, largest_norm: float, largest_rounding_norm: float
    ) -> UndecidedScores:
        """Sorts the scores of some rows (m,) on a block of columns (w, d) into surely higher, undecided and the rest.

        A row with `needed_count` (m,) surely higher scores is settled. `largest_norm` is that of the columns,
        `largest_rounding_norm` that of what rounding left of one.
        """
        ceiling, floor = self.score_limits(row_ids, largest_norm, largest_rounding_norm)
        scores = block @ self.rounded_rows[row_ids].T  # (w, m)
        if len(scores) % GROUP_COLUMNS:
            scores = torch.nn.functional.pad(scores, (0, 0, 0, -len(scores) % GROUP_COLUMNS), value=-torch.inf)
        scores = scores.view(-1, GROUP_COLUMNS, len(row_ids))  # (groups, GROUP_COLUMNS, m)
        open_groups = scores.amax(1) >= floor  # (groups, m): groups that hold a candidate
        certain_count = torch.zeros_like(needed_count)
        if int(open_groups.sum()) > DENSE_GROUPS_SHARE * open_groups.numel():
            certain_count = (scores > ceiling).sum((0, 1))
            open_groups &= certain_count < needed_count
        return locate_undecided(scores, open_groups, ceiling, floor, needed_count, certain_count)

    def score_limits(self, row_ids: Tensor, largest_norm: float, largest_rounding_norm: float) -> tuple[Tensor, Tensor]:
        """A ceiling and a floor for each row, (m,) each, around the exact score of its target.

        Scores above the ceiling are surely higher than the target's, scores below the floor surely not.

        With ŷ, û the rounded y (‖y‖ = 1) and u, a computed score is off by at most

            ‖y − ŷ‖ ‖u‖  +  ‖ŷ‖ ‖u − û‖  +  γ_d ‖ŷ‖ ‖û‖        rounding of y, of u, and of the sum

        The sum is kept in float32 also for bfloat16 factors, whose products are exact there. Two terms are added to d
        to be on the safe side. 1.02 covers ‖ŷ‖ and ‖û‖, which rounding may make a little longer than 1 and ‖u‖.
        """
        own, terms, dtype = self.target_scores[row_ids], self.rounded_rows.shape[1], self.rounded_rows.dtype
        error = 1.02 * ((self.rounding_norms[row_ids] + gamma(terms + 2)) * largest_norm + largest_rounding_norm)
        # The score and the limit are stored in `dtype`. Near a limit both are at most |own| + error, and each is
        # rounded by at most eps / 2 of that.
        error += 1.05 * torch.finfo(dtype).eps * (own.abs() + error)
        return round_outward(own + error, own - error, dtype)


def locate_undecided(
    scores: Tensor, open_groups: Tensor, ceiling: Tensor, floor: Tensor, needed_count: Tensor, certain_count: Tensor
) -> UndecidedScores:
    """Looks into the open groups (groups, m) of scores (groups, GROUP_COLUMNS, m) for the scores above the floor.

    Those above the ceiling are counted, unless `certain_count` has them already; the others are returned, except for
    rows that are settled.
    """
    group, row = open_groups.nonzero(as_tuple=True)
    inside = scores[group, :, row]  # (open, GROUP_COLUMNS)
    which, column = (inside >= floor[row, None]).nonzero(as_tuple=True)
    is_certain = inside[which, column] > ceiling[row[which]]
    counted = torch.zeros_like(needed_count).index_add_(0, row[which], is_certain.to(needed_count.dtype))
    undecided = (~is_certain & (counted < needed_count)[row[which]]).nonzero()[:, 0]
    which, column = which[undecided], column[undecided]
    return UndecidedScores(torch.maximum(counted, certain_count), row[which], group[which] * GROUP_COLUMNS + column)


def is_among_highest(y: Tensor, targets: Tensor, k: Tensor, unembedding: Unembedding) -> Tensor:
    """Whether fewer than k tokens score strictly higher than a row's target: y (n, d) float64, k (n,) to (n,) bool."""
    y, lengths = normalise_rows(y)
    own, tie = torch.linalg.vecdot(unembedding.rows_of_tokens(targets).double(), y), unembedding.tie_tolerances(y)
    screen = ScoreScreen.from_rows(y, own, unembedding.coarse_rows.dtype)
    above = torch.zeros_like(k)
    live = lengths.nonzero()[:, 0]  # rows with fewer than k higher scores so far; in a row of zeros all tokens tie
    for start in range(0, len(unembedding), BLOCK):
        block = slice(start, start + BLOCK)
        largest_norm = float(unembedding.norms[block].max())
        largest_rounding_norm = float(unembedding.rounding_norms[block].max())
        for rows in live.split(ROWS) if len(live) else ():
            needed = k[rows] - above[rows]
            coarse = unembedding.coarse_rows[block]
            outcome = screen.undecided_scores(rows, needed, coarse, largest_norm, largest_rounding_norm)
            if len(outcome.row) > FLOAT32_RETRY_SHARE * len(rows) * BLOCK:
                finer_screen = ScoreScreen.from_rows(y[rows], own[rows], torch.float32)
                every = torch.arange(len(rows), device=y.device)
                exact = unembedding.rows[block].float()
                outcome = finer_screen.undecided_scores(every, needed, exact, largest_norm, 0.0)
            above[rows] += outcome.certain_count
            row, position = rows[outcome.row], outcome.column + start
            is_higher = exact_scores(y, row, position, unembedding) > own[row] + tie[row]
            above.index_add_(0, row, is_higher.to(above.dtype))
        live = live[above[live] < k[live]]
    return above < k


def exact_scores(y: Tensor, rows: Tensor, positions: Tensor, unembedding: Unembedding) -> Tensor:
    """Float64 scores of c pairs: row rows[i] of y (n, d) with row positions[i] of the unembedding, (c,)."""
    at_once = max(1, CACHE_BYTES // (8 * y.shape[1]))
    pairs = zip(rows.split(at_once), positions.split(at_once), strict=True)
    return torch.cat([torch.linalg.vecdot(unembedding.rows[position].double(), y[row]) for row, position in pairs])


class RankCounts(NamedTuple):
    """The rank of each row's target."""

    higher_count: Tensor  # (n,) tokens that score strictly higher
    lower_count: Tensor  # (n,) tokens that score strictly lower
    target_scores: Tensor  # (n,) float64


def count_ranks(y: Tensor, targets: Tensor, unembedding: Unembedding) -> RankCounts:
    """Counts all tokens that score above and below a row's target: y (n, d) float64, targets (n,) ids.

    Float32 settles nearly all scores (see `score_limits`); those between its limits are redone in float64.
    """
    parts = [count_ranks_of_block(*part, unembedding) for part in zip(y.split(ROWS), targets.split(ROWS), strict=True)]
    return RankCounts(*map(torch.cat, zip(*parts, strict=True)))


def count_ranks_of_block(y: Tensor, targets: Tensor, unembedding: Unembedding) -> RankCounts:
    """`count_ranks` for at most ROWS rows."""
    y, lengths = normalise_rows(y)
    own, tie = torch.linalg.vecdot(unembedding.rows_of_tokens(targets).double(), y), unembedding.tie_tolerances(y)
    live = lengths.nonzero()[:, 0]  # in a row of zeros all tokens tie
    screen = ScoreScreen.from_rows(y[live], own[live], torch.float32)
    every = torch.arange(len(live), device=y.device)
    above, below = torch.zeros_like(targets), torch.zeros_like(targets)
    for start, block in unembedding.blocks(BLOCK):
        ceiling, floor = screen.score_limits(every, float(unembedding.norms[start : start + BLOCK].max()), 0.0)
        scores = screen.rounded_rows @ block.T
        higher, lower = count_true(scores > ceiling[:, None]), count_true(scores < floor[:, None])
        above[live] += higher
        below[live] += lower
        doubtful = (higher + lower < len(block)).nonzero()[:, 0]  # rows with a score between the limits
        is_near = (scores[doubtful] <= ceiling[doubtful, None]) & (scores[doubtful] >= floor[doubtful, None])
        row, column = is_near.nonzero(as_tuple=True)
        if len(row):
            rows = live[doubtful[row]]
            difference = exact_scores(y, rows, column + start, unembedding) - own[rows]
            above.index_add_(0, rows, (difference > tie[rows]).to(above.dtype))
            below.index_add_(0, rows, (difference < -tie[rows]).to(below.dtype))
    return RankCounts(above, below, own * lengths)
