"""The highest entries of rows of M, exactly, and how far a row's entries spread.

One pass over U serves all rows: each block of columns leaves its few best candidates, which are redone in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from maps.eight_bit import at_unit_length
from maps.ranks import BYTES, Columns

WIDE = 1984  # columns of U a product
GROUP = 64  # columns whose highest entry stands for them
GROUPS = 8  # groups of a block that are looked into
SPARE = 24  # candidates beyond the asked number
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

    values: Tensor  # (n, m) float32 scores of candidates
    places: Tensor  # (n, m) their places in the columns
    missed: Tensor  # (n,) no column that is not a candidate scores higher than this
    fourth: Tensor  # (r,) float64: Σ (m_j − mean)⁴ of the first r rows
    second: Tensor  # (r,) float64: Σ (m_j − mean)²


def highest(y: Tensor, wanted: int, columns: Columns, spread: int = 0) -> tuple[Targets, Tensor]:
    """The `wanted` highest targets of each row of y (n, d, float64), by score and then lower id.

    Also the population kurtosis m₄ / m₂² of the first `spread` rows of M (spread,), nan where a row is constant.
    """
    wanted = min(wanted, len(columns))
    y, lengths = at_unit_length(y)
    found = one_pass(y, min(wanted + SPARE, len(columns)), columns, spread)
    bound, tie = columns.bound(y), columns.tolerance(y)
    leading = found.values.topk(min(wanted + SPARE, found.values.shape[1]), dim=1)
    places = found.places.gather(1, leading.indices)
    cut = leading.values[:, wanted - 1] - 2 * bound.float()
    last = leading.values[:, -1] if leading.values.shape[1] < found.values.shape[1] else cut - 1
    open_rows = ((last >= cut) | (found.missed >= cut)).nonzero()[:, 0]
    exact = torch.cat([torch.linalg.vecdot(columns.rows[p].double(), x[:, None]) for p, x in in_parts(places, y)])
    ids, scores = ordered(exact, columns.ids[places], tie, wanted)
    if len(open_rows):
        ids[open_rows], scores[open_rows] = full_rows(y[open_rows], cut[open_rows], wanted, tie[open_rows], columns)
    return Targets(ids, scores * lengths[:, None]), len(columns) * found.fourth / found.second.square()


def in_parts(places: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and their candidates, so many at a time that the candidates' float64 columns take BYTES."""
    at_once = max(1, BYTES // (8 * places.shape[1] * y.shape[1]))
    return zip(places.split(at_once), y.split(at_once), strict=True)


def one_pass(y: Tensor, keep: int, columns: Columns, spread: int) -> Pass:
    """Runs all rows through all columns; `keep` candidates a row and block."""
    rows, n = y.float(), len(y)
    mean = (y[:spread] @ columns.mean).float()
    fourth, second = y.new_zeros(spread), y.new_zeros(spread)
    missed = rows.new_full((n,), -torch.inf)
    values: list[Tensor] = []
    places: list[Tensor] = []
    for start, block in columns.blocks(WIDE):
        parts = []
        for first in range(0, n, ROWS):
            scores = rows[first : first + ROWS] @ block.T
            parts.append(candidates(scores, keep))
            here = scores[: max(0, spread - first)].sub_(mean[first : first + ROWS, None])
            squares = here.square_()
            second[first : first + len(here)] += squares.sum(1)
            fourth[first : first + len(here)] += torch.linalg.vecdot(squares, squares)
        best, where, rest = (torch.cat(each) for each in zip(*parts, strict=True))
        values.append(best)
        places.append(where + start)
        missed = torch.maximum(missed, rest)
    return Pass(torch.cat(values, 1), torch.cat(places, 1), missed, fourth, second)


def candidates(scores: Tensor, keep: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `keep` highest of each row (n, w), where they stand, and what every other one is no higher than."""
    n, width = scores.shape
    if width % GROUP or width <= GROUP * GROUPS or keep > GROUPS * GROUP:
        best = scores.topk(min(keep + 1, width), dim=1)
        rest = best.values[:, -1] if width > keep else scores.new_full((n,), -torch.inf)
        return best.values[:, :keep], best.indices[:, :keep], rest
    groups = scores.view(n, -1, GROUP)
    top = groups.amax(2).topk(GROUPS + 1, dim=1)
    chosen = top.indices[:, :GROUPS]
    inside = groups.gather(1, chosen[:, :, None].expand(-1, -1, GROUP)).view(n, -1)
    best = inside.topk(keep, dim=1)
    where = chosen.gather(1, best.indices // GROUP) * GROUP + best.indices % GROUP
    return best.values, where, torch.maximum(top.values[:, -1], best.values[:, -1])


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
    at_once = max(1, BYTES // (8 * y.shape[1]))
    pairs = zip(row.split(at_once), (place + start).split(at_once), strict=True)
    exact = [torch.linalg.vecdot(columns.rows[p].double(), y[r]) for r, p in pairs]
    return row, place + start, torch.cat(exact)
