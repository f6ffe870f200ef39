"""The highest entries of rows of M, exactly, and how far a row's entries spread.

One pass over U leaves the highest score of every group of columns; the best groups hold a row's candidates, which are
redone in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.eight_bit import normalise_rows
from maps.heads.rank_tests import CACHE_BYTES, exact_scores
from maps.heads.unembedding import Unembedding

BLOCK_COLUMNS = 1984  # columns of U a product
GROUP_COLUMNS = 64  # columns whose highest entry stands for them; they divide WIDE
ROW_MULTIPLE = 32  # rows are filled up to a multiple of these: a third faster than some other numbers
SPARE_CANDIDATES = 8  # candidates beyond the asked number
WIDTH_PER_SPARE = 512  # width of which each multiple adds one: float32's error bound grows with it
ROWS = 1024  # rows of y a product


def sort_order(scores: Tensor, ids: Tensor, tolerance: Tensor | float) -> Tensor:
    """The permutation that sorts by score, highest first, and by lower id among ties; (n,) to (n,).

    Scores that follow each other by no more than `tolerance` (float64 rounding) are a tie: duplicate rows.
    """
    order = scores.argsort(descending=True, stable=True)
    gaps = scores[order].diff(prepend=scores[order][:1]).abs() > tolerance
    groups = gaps.cumsum(0)
    by_id = ids[order].argsort(stable=True)
    return order[by_id[groups[by_id].argsort(stable=True)]]


class Targets(NamedTuple):
    """The highest-scoring tokens of each row: ids (n, count) and scores (n, count) in float64."""

    ids: Tensor
    scores: Tensor


class Candidates(NamedTuple):
    """What one pass over U leaves of each row."""

    scores: Tensor  # (n, m) float32 scores of candidates, falling
    positions: Tensor  # (n, m) their places in the columns
    missed_bounds: Tensor  # (n,) no column that is not a candidate scores higher than this
    kurtosis: Tensor  # (r,) float64: V Σ (m_j − mean)⁴ / (Σ (m_j − mean)²)² of the first r rows


def find_highest_targets(
    y: Tensor, wanted: int, unembedding: Unembedding, kurtosis_rows: int = 0
) -> tuple[Targets, Tensor]:
    """The `wanted` highest targets of each row of y (n, d, float64), by score and then lower id.

    Also the population kurtosis m₄ / m₂² of the first `kurtosis_rows` rows of M (spread,), nan where a row is constant.
    """
    wanted = min(wanted, len(unembedding))
    y, lengths = normalise_rows(y)
    keep = min(wanted + SPARE_CANDIDATES + y.shape[1] // WIDTH_PER_SPARE, len(unembedding))
    parts = [find_candidates(part, keep, unembedding, kurtosis_rows - i * ROWS) for i, part in enumerate(y.split(ROWS))]
    values, places, missed, kurtosis = (torch.cat(each) for each in zip(*parts, strict=True))
    bound, tie = unembedding.score_error_bounds(y), unembedding.tie_tolerances(y)
    cut = values[:, wanted - 1] - 2 * bound.float()
    open_rows = (missed >= cut).nonzero()[:, 0]
    exact = torch.cat(
        [torch.linalg.vecdot(unembedding.rows[p].double(), x[:, None]) for p, x in split_candidates(places, y)]
    )
    ids, scores = sort_candidates(exact, unembedding.token_ids[places], tie, wanted)
    if len(open_rows):
        ids[open_rows], scores[open_rows] = search_full_rows(
            y[open_rows], cut[open_rows], wanted, tie[open_rows], unembedding
        )
    return Targets(ids, scores * lengths[:, None]), kurtosis


def split_candidates(positions: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and their candidates, so many at a time that the candidates' float64 columns take CACHE."""
    at_once = max(1, CACHE_BYTES // (8 * positions.shape[1] * y.shape[1]))
    return zip(positions.split(at_once), y.split(at_once), strict=True)


def find_candidates(y: Tensor, keep: int, unembedding: Unembedding, kurtosis_rows: int) -> Candidates:
    """Runs rows through all columns: the `keep` highest of each row, and how the first `kurtosis_rows` rows spread."""
    n, whole = len(y), -(-len(unembedding) // GROUP_COLUMNS)  # groups
    rows = torch.nn.functional.pad(y.float(), (0, 0, 0, -n % ROW_MULTIPLE)).T
    mean = (y[: max(0, kurtosis_rows)] @ unembedding.mean).float()
    fourth, second = (y.new_zeros(len(mean)) for _ in range(2))
    scores = rows.new_empty(whole * GROUP_COLUMNS, rows.shape[1])
    scores[len(unembedding) :] = -torch.inf
    tops = rows.new_empty(whole, rows.shape[1])
    for start, block in unembedding.blocks(BLOCK_COLUMNS):
        here = torch.mm(block, rows, out=scores[start : start + len(block)])
        group = slice(start // GROUP_COLUMNS, -(-(start + len(block)) // GROUP_COLUMNS))
        torch.amax(
            scores[group.start * GROUP_COLUMNS : group.stop * GROUP_COLUMNS].view(-1, GROUP_COLUMNS, rows.shape[1]),
            1,
            out=tops[group],
        )
        squares = (here[:, : len(mean)] - mean).square_()
        second += squares.sum(0)
        fourth += squares.square_().sum(0)
    leading = tops.T[:n].topk(min(keep + 1, whole), dim=1)
    chosen = leading.indices[:, :keep]
    inside = scores.view(whole, GROUP_COLUMNS, -1).gather(0, chosen.T[:, None].expand(-1, GROUP_COLUMNS, -1))
    best = inside.flatten(0, 1).T.topk(keep, dim=1)
    places = chosen.gather(1, best.indices // GROUP_COLUMNS) * GROUP_COLUMNS + best.indices % GROUP_COLUMNS
    missed = best.values[:, -1] if keep < len(unembedding) else best.values.new_full((n,), -torch.inf)
    if keep < whole:
        missed = torch.maximum(missed, leading.values[:, -1])
    return Candidates(best.values, places, missed, len(unembedding) * fourth / second.square())


def sort_candidates(exact: Tensor, ids: Tensor, tie: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """Candidates by float64 score, ties by lower id: the first `wanted` ids and scores of each row."""
    order = exact.argsort(dim=1, descending=True)
    scores, names = exact.gather(1, order), ids.gather(1, order)
    tied = ((scores[:, :-1] - scores[:, 1:]) <= tie[:, None]).any(1).nonzero()[:, 0]
    for i in tied.tolist():
        again = sort_order(scores[i], names[i], float(tie[i]))
        scores[i], names[i] = scores[i][again], names[i][again]
    return names[:, :wanted].contiguous(), scores[:, :wanted].contiguous()


def search_full_rows(
    y: Tensor, cut: Tensor, wanted: int, tie: Tensor, unembedding: Unembedding
) -> tuple[Tensor, Tensor]:
    """The highest targets of rows (n, d) of many near ties: among all columns that may score at least `cut` (n,)."""
    ids = torch.arange(wanted, device=y.device).repeat(len(y), 1)  # of rows of zeros
    scores = y.new_zeros(len(y), wanted)
    some = y.any(1).nonzero()[:, 0]
    parts = [
        scores_above_cut(y[some], cut[some], start, block, unembedding)
        for start, block in unembedding.blocks(BLOCK_COLUMNS)
    ]
    row, place, exact = (torch.cat(each) for each in zip(*parts, strict=True))
    for i, at in enumerate(some.tolist()):
        mine = (row == i).nonzero()[:, 0]
        names, values = unembedding.token_ids[place[mine]], exact[mine]
        order = sort_order(values, names, float(tie[at]))[:wanted]
        ids[at], scores[at] = names[order], values[order]
    return ids, scores


def scores_above_cut(
    y: Tensor, cut: Tensor, start: int, block: Tensor, unembedding: Unembedding
) -> tuple[Tensor, Tensor, Tensor]:
    """Which rows score at least `cut` on which columns of a block, from place `start` on, and the score in float64."""
    row, place = (y.float() @ block.T >= cut[:, None]).nonzero().T
    return row, place + start, exact_scores(y, row, place + start, unembedding)
