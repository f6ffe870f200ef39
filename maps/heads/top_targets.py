"""The highest entries of rows of M, exactly, and how far a row's entries spread.

One pass over U leaves the highest score of every group of columns; the best groups hold a row's candidates, which are
redone in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.eight_bit import at_unit_length
from maps.heads.rank_tests import CACHE, exact_scores
from maps.heads.unembedding import Columns

WIDE = 1984  # columns of U a product
GROUP = 64  # columns whose highest entry stands for them; they divide WIDE
LANES = 32  # rows are filled up to a multiple of these: a third faster than some other numbers
SPARE = 8  # candidates beyond the asked number
WIDTH = 512  # width of which each multiple adds one: float32's error bound grows with it
ROWS = 1024  # rows of y a product


def in_order(scores: Tensor, ids: Tensor, tolerance: Tensor | float) -> Tensor:
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


class Pass(NamedTuple):
    """What one pass over U leaves of each row."""

    values: Tensor  # (n, m) float32 scores of candidates, falling
    places: Tensor  # (n, m) their places in the columns
    missed: Tensor  # (n,) no column that is not a candidate scores higher than this
    kurtosis: Tensor  # (r,) float64: V Σ (m_j − mean)⁴ / (Σ (m_j − mean)²)² of the first r rows


def highest(y: Tensor, wanted: int, columns: Columns, spread: int = 0) -> tuple[Targets, Tensor]:
    """The `wanted` highest targets of each row of y (n, d, float64), by score and then lower id.

    Also the population kurtosis m₄ / m₂² of the first `spread` rows of M (spread,), nan where a row is constant.
    """
    wanted = min(wanted, len(columns))
    y, lengths = at_unit_length(y)
    keep = min(wanted + SPARE + y.shape[1] // WIDTH, len(columns))
    parts = [one_pass(part, keep, columns, spread - i * ROWS) for i, part in enumerate(y.split(ROWS))]
    values, places, missed, kurtosis = (torch.cat(each) for each in zip(*parts, strict=True))
    bound, tie = columns.bound(y), columns.tolerance(y)
    cut = values[:, wanted - 1] - 2 * bound.float()
    open_rows = (missed >= cut).nonzero()[:, 0]
    exact = torch.cat([torch.linalg.vecdot(columns.rows[p].double(), x[:, None]) for p, x in in_parts(places, y)])
    ids, scores = ordered(exact, columns.ids[places], tie, wanted)
    if len(open_rows):
        ids[open_rows], scores[open_rows] = full_rows(y[open_rows], cut[open_rows], wanted, tie[open_rows], columns)
    return Targets(ids, scores * lengths[:, None]), kurtosis


def in_parts(places: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and their candidates, so many at a time that the candidates' float64 columns take CACHE."""
    at_once = max(1, CACHE // (8 * places.shape[1] * y.shape[1]))
    return zip(places.split(at_once), y.split(at_once), strict=True)


def one_pass(y: Tensor, keep: int, columns: Columns, spread: int) -> Pass:
    """Runs rows through all columns: the `keep` highest of each row, and how the first `spread` rows spread."""
    n, whole = len(y), -(-len(columns) // GROUP)  # groups
    rows = torch.nn.functional.pad(y.float(), (0, 0, 0, -n % LANES)).T
    mean = (y[: max(0, spread)] @ columns.mean).float()
    fourth, second = (y.new_zeros(len(mean)) for _ in range(2))
    scores = rows.new_empty(whole * GROUP, rows.shape[1])
    scores[len(columns) :] = -torch.inf
    tops = rows.new_empty(whole, rows.shape[1])
    for start, block in columns.blocks(WIDE):
        here = torch.mm(block, rows, out=scores[start : start + len(block)])
        group = slice(start // GROUP, -(-(start + len(block)) // GROUP))
        torch.amax(scores[group.start * GROUP : group.stop * GROUP].view(-1, GROUP, rows.shape[1]), 1, out=tops[group])
        squares = (here[:, : len(mean)] - mean).square_()
        second += squares.sum(0)
        fourth += squares.square_().sum(0)
    leading = tops.T[:n].topk(min(keep + 1, whole), dim=1)
    chosen = leading.indices[:, :keep]
    inside = scores.view(whole, GROUP, -1).gather(0, chosen.T[:, None].expand(-1, GROUP, -1))
    best = inside.flatten(0, 1).T.topk(keep, dim=1)
    places = chosen.gather(1, best.indices // GROUP) * GROUP + best.indices % GROUP
    missed = best.values[:, -1] if keep < len(columns) else best.values.new_full((n,), -torch.inf)
    if keep < whole:
        missed = torch.maximum(missed, leading.values[:, -1])
    return Pass(best.values, places, missed, len(columns) * fourth / second.square())


def ordered(exact: Tensor, ids: Tensor, tie: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """Candidates by float64 score, ties by lower id: the first `wanted` ids and scores of each row."""
    order = exact.argsort(dim=1, descending=True)
    scores, names = exact.gather(1, order), ids.gather(1, order)
    tied = ((scores[:, :-1] - scores[:, 1:]) <= tie[:, None]).any(1).nonzero()[:, 0]
    for i in tied.tolist():
        again = in_order(scores[i], names[i], float(tie[i]))
        scores[i], names[i] = scores[i][again], names[i][again]
    return names[:, :wanted].contiguous(), scores[:, :wanted].contiguous()


def full_rows(y: Tensor, cut: Tensor, wanted: int, tie: Tensor, columns: Columns) -> tuple[Tensor, Tensor]:
    """The highest targets of rows (n, d) of many near ties: among all columns that may score at least `cut` (n,)."""
    ids = torch.arange(wanted, device=y.device).repeat(len(y), 1)  # of rows of zeros
    scores = y.new_zeros(len(y), wanted)
    some = y.any(1).nonzero()[:, 0]
    parts = [near_cut(y[some], cut[some], start, block, columns) for start, block in columns.blocks(WIDE)]
    row, place, exact = (torch.cat(each) for each in zip(*parts, strict=True))
    for i, at in enumerate(some.tolist()):
        mine = (row == i).nonzero()[:, 0]
        names, values = columns.ids[place[mine]], exact[mine]
        order = in_order(values, names, float(tie[at]))[:wanted]
        ids[at], scores[at] = names[order], values[order]
    return ids, scores


def near_cut(y: Tensor, cut: Tensor, start: int, block: Tensor, columns: Columns) -> tuple[Tensor, Tensor, Tensor]:
    """Which rows score at least `cut` on which columns of a block, from place `start` on, and the score in float64."""
    row, place = (y.float() @ block.T >= cut[:, None]).nonzero().T
    return row, place + start, exact_scores(y, row, place + start, columns)
