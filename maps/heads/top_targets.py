"""The highest entries of rows of M, exactly, and the kurtosis of the rows.

One pass over U computes a row's float32 scores and, for every group of 64 columns, the highest of them. If a token is
among a row's m highest, its group is among the m groups of highest maximum: each better group holds a better token. So
the m best groups hold all candidates, and only these are sorted. The candidates are then computed again in float64.

A few more candidates than wanted are kept, and an upper bound on the scores of all other tokens. The bound shows
whether float32 may have missed a target. Rows where it may have (many near ties) are searched in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.eight_bit import normalise_rows
from maps.heads.rank_tests import CACHE_BYTES, exact_scores
from maps.heads.unembedding import Unembedding

BLOCK_COLUMNS = 1984  # columns of U in one product
GROUP_COLUMNS = 64  # columns in a group; BLOCK_COLUMNS is a multiple
ROW_MULTIPLE = 32  # rows are filled up to a multiple: products are a third faster than for some other numbers
SPARE_CANDIDATES = 8  # candidates beyond the wanted number
WIDTH_PER_SPARE = 512  # one more spare candidate for so many entries of width: float32's error bound grows with it
ROWS = 1024  # rows of y in one product


def sort_order(scores: Tensor, ids: Tensor, tolerance: Tensor | float) -> Tensor:
    """The permutation that sorts by score, highest first, and ties by lower id; (n,) and (n,) to (n,).

    Neighbours in the order that differ by no more than `tolerance` (float64 rounding) are a tie, as of duplicate rows.
    """
    order = scores.argsort(descending=True, stable=True)
    is_gap = scores[order].diff(prepend=scores[order][:1]).abs() > tolerance
    tie_group = is_gap.cumsum(0)
    by_id = ids[order].argsort(stable=True)
    return order[by_id[tie_group[by_id].argsort(stable=True)]]


class Targets(NamedTuple):
    """The highest-scoring tokens of each row."""

    ids: Tensor  # (n, count)
    scores: Tensor  # (n, count) float64


class Candidates(NamedTuple):
    """What one pass over U finds for n rows."""

    scores: Tensor  # (n, m) float32 scores of the candidates, falling
    positions: Tensor  # (n, m) their rows of the unembedding
    missed_bounds: Tensor  # (n,) no column that is not a candidate has a higher float32 score
    kurtosis: Tensor  # (r,) float64: V Σ (m_j − mean)⁴ / (Σ (m_j − mean)²)² of the first r rows


def find_highest_targets(
    y: Tensor, wanted: int, unembedding: Unembedding, kurtosis_rows: int = 0
) -> tuple[Targets, Tensor]:
    """The `wanted` highest targets of each row of y (n, d, float64), by score and then lower id.

    Also the population kurtosis m₄ / m₂² of the first `kurtosis_rows` rows of M; nan for a row of equal entries.
    """
    wanted = min(wanted, len(unembedding))
    y, lengths = normalise_rows(y)
    keep = min(wanted + SPARE_CANDIDATES + y.shape[1] // WIDTH_PER_SPARE, len(unembedding))
    parts = [find_candidates(part, keep, unembedding, kurtosis_rows - i * ROWS) for i, part in enumerate(y.split(ROWS))]
    coarse, positions, missed_bounds, kurtosis = map(torch.cat, zip(*parts, strict=True))
    error_bound, tie = unembedding.score_error_bounds(y), unembedding.tie_tolerances(y)
    # A true score of the `wanted` highest is at least the last wanted candidate's float32 score less one error bound,
    # so its own float32 score is at least that less two.
    cut = coarse[:, wanted - 1] - 2 * error_bound.float()
    open_rows = (missed_bounds >= cut).nonzero()[:, 0]
    exact = [torch.linalg.vecdot(unembedding.rows[p].double(), x[:, None]) for p, x in split_candidates(positions, y)]
    ids, scores = sort_candidates(torch.cat(exact), unembedding.token_ids[positions], tie, wanted)
    if len(open_rows):
        found = search_rows(y[open_rows], cut[open_rows], wanted, tie[open_rows], unembedding)
        ids[open_rows], scores[open_rows] = found
    return Targets(ids, scores * lengths[:, None]), kurtosis


def split_candidates(positions: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Candidates with their rows of y, so many at once that the candidates' float64 columns fit into CACHE_BYTES."""
    at_once = max(1, CACHE_BYTES // (8 * positions.shape[1] * y.shape[1]))
    return zip(positions.split(at_once), y.split(at_once), strict=True)


def find_candidates(y: Tensor, keep: int, unembedding: Unembedding, kurtosis_rows: int) -> Candidates:
    """One pass of rows y (n, d) over U: the `keep` highest of each row, and the kurtosis of the first rows."""
    n, groups = len(y), -(-len(unembedding) // GROUP_COLUMNS)
    rows = torch.nn.functional.pad(y.float(), (0, 0, 0, -n % ROW_MULTIPLE)).T  # (d, n), n filled up
    means = (y[: max(0, kurtosis_rows)] @ unembedding.mean).float()  # (r,) the mean of each row of M
    fourth, second = y.new_zeros(len(means)), y.new_zeros(len(means))
    scores = rows.new_empty(groups * GROUP_COLUMNS, rows.shape[1])
    scores[len(unembedding) :] = -torch.inf
    maxima = rows.new_empty(groups, rows.shape[1])
    for start, block in unembedding.blocks(BLOCK_COLUMNS):
        block_scores = torch.mm(block, rows, out=scores[start : start + len(block)])
        first, last = start // GROUP_COLUMNS, -(-(start + len(block)) // GROUP_COLUMNS)
        grouped = scores[first * GROUP_COLUMNS : last * GROUP_COLUMNS].view(-1, GROUP_COLUMNS, rows.shape[1])
        torch.amax(grouped, 1, out=maxima[first:last])
        squares = (block_scores[:, : len(means)] - means).square_()
        second += squares.sum(0)
        fourth += squares.square_().sum(0)
    kurtosis = len(unembedding) * fourth / second.square()
    return Candidates(*pick_candidates(scores, maxima[:, :n], keep, len(unembedding)), kurtosis)


def pick_candidates(scores: Tensor, maxima: Tensor, keep: int, vocabulary: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `keep` highest of each row from the best groups: float32 scores (n, m), positions (n, m), missed bounds (n,).

    `scores` (groups · GROUP_COLUMNS, n or more) are those of all columns, `maxima` (groups, n) the highest in each
    group.
    """
    groups, n = maxima.shape
    best_groups = maxima.T.topk(min(keep + 1, groups), dim=1)
    chosen = best_groups.indices[:, :keep]  # (n, keep)
    grouped = scores.view(groups, GROUP_COLUMNS, -1)
    inside = grouped.gather(0, chosen.T[:, None].expand(-1, GROUP_COLUMNS, -1))  # (keep, GROUP_COLUMNS, n)
    best = inside.flatten(0, 1).T.topk(keep, dim=1)
    positions = chosen.gather(1, best.indices // GROUP_COLUMNS) * GROUP_COLUMNS + best.indices % GROUP_COLUMNS
    # Any other token scores at most as much as the last candidate (in a chosen group) or as the next group's maximum.
    missed = best.values[:, -1] if keep < vocabulary else best.values.new_full((n,), -torch.inf)
    if keep < groups:
        missed = torch.maximum(missed, best_groups.values[:, -1])
    return best.values, positions, missed


def sort_candidates(exact: Tensor, ids: Tensor, tie: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """Candidates (n, m) by float64 score, ties by lower id: the first `wanted` ids and scores of each row."""
    order = exact.argsort(dim=1, descending=True)
    scores, ids = exact.gather(1, order), ids.gather(1, order)
    tied_rows = ((scores[:, :-1] - scores[:, 1:]) <= tie[:, None]).any(1).nonzero()[:, 0]
    for i in tied_rows.tolist():
        row_order = sort_order(scores[i], ids[i], float(tie[i]))
        scores[i], ids[i] = scores[i][row_order], ids[i][row_order]
    return ids[:, :wanted].contiguous(), scores[:, :wanted].contiguous()


def search_rows(y: Tensor, cut: Tensor, wanted: int, tie: Tensor, unembedding: Unembedding) -> tuple[Tensor, Tensor]:
    """The highest targets of rows y (n, d) with many near ties: all columns that reach `cut` (n,) are candidates."""
    ids = torch.arange(wanted, device=y.device).repeat(len(y), 1)  # in a row of zeros all tokens tie
    scores = y.new_zeros(len(y), wanted)
    live = y.any(1).nonzero()[:, 0]
    blocks = unembedding.blocks(BLOCK_COLUMNS)
    parts = [scores_above_cut(y[live], cut[live], start, block, unembedding) for start, block in blocks]
    row, position, exact = map(torch.cat, zip(*parts, strict=True))
    for i, target_row in enumerate(live.tolist()):
        mine = (row == i).nonzero()[:, 0]
        row_ids, row_scores = unembedding.token_ids[position[mine]], exact[mine]
        order = sort_order(row_scores, row_ids, float(tie[target_row]))[:wanted]
        ids[target_row], scores[target_row] = row_ids[order], row_scores[order]
    return ids, scores


def scores_above_cut(
    y: Tensor, cut: Tensor, start: int, block: Tensor, unembedding: Unembedding
) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs of a row of y and a column of a block (from row `start` of the unembedding on) that reach `cut`.

    Row, position and float64 score of each pair, (c,) each.
    """
    row, column = (y.float() @ block.T >= cut[:, None]).nonzero(as_tuple=True)
    return row, column + start, exact_scores(y, row, column + start, unembedding)
