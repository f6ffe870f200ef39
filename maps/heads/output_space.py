"""Output space size: the share of the vocabulary that is some source's best target, U's columns normalised.

M has V² entries, so the best target of every source is found by a screen in eight bits that bounds each score from
above, block by block; a source looks again, in float32, only into blocks that may still hold its best target, and in
float64 where two targets are within float32's rounding. The result is that of float64, true ties to the lower id.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.circuit import Heads
from maps.heads.eight_bit import Rounded, Rows, eight_bits
from maps.heads.parallel import side_by_side
from maps.heads.rank_tests import count
from maps.heads.sources import Sources
from maps.heads.unembedding import Columns

BLOCK = 1024  # targets, and sources, a product: their scores stay in the processor's cache
BYTES = 1 << 28  # of float64 targets held at once
SAMPLE = 256  # sources whose best targets are known first: they are the best of many others


def output_spaces(sources: Sources, heads: Heads, columns: Columns, gain: Tensor | None = None) -> list[float]:
    """The share of tokens that are the best target of some source, for every head of a layer, in (0, 1].

    The heads are in float64. `gain` (d,), where there is one, multiplies U's columns before they are normalised.
    """
    turn = rotation(heads.values.shape[2], heads.values)
    screened = eight_bits(heads.values.device)
    at_once = max(1, BYTES // (8 * len(columns) * len(turn)))
    found = []
    for kv, value in enumerate(heads.values):
        weights = value @ turn  # (d, d_h)
        exactly = partial(read_exactly, sources, weights)
        read = Rows.of(torch.cat([block.double() @ weights for _, block in sources.blocks()]))
        drift = sources.off * float(torch.linalg.matrix_norm(value, 2)) / read.lengths
        for outputs in heads.outputs[kv * heads.group : (kv + 1) * heads.group].split(at_once):
            for targets in unit_targets(columns, outputs, turn, gain):
                best = best_targets(read, targets, drift, exactly, screened)
                found.append(len(best.unique()) / len(columns))
    return found


def read_exactly(sources: Sources, weights: Tensor, ids: Tensor) -> Tensor:
    """What a value head, turned, reads of some sources in float64: (n,) to (n, d_h)."""
    return sources.exact(ids) @ weights


def unit_targets(columns: Columns, outputs: Tensor, turn: Tensor, gain: Tensor | None) -> Tensor:
    """W_O u_j R / ‖u_j‖ of every token by id, for some heads, in float64: (h, d_h, d) to (h, V, d_h)."""
    weights = (turn.T @ outputs).flatten(0, 1).T.contiguous()  # (d, h d_h)
    out = weights.new_empty(len(outputs), len(columns), len(turn))
    for start, block in columns.blocks(4 * BLOCK):
        rows = block.double() if gain is None else block.double() * gain
        norms = rows.norm(dim=1, keepdim=True)
        unit = (rows @ weights) / norms.where(norms > 0, 1)
        out[:, columns.ids[start : start + len(block)]] = unit.unflatten(1, (len(outputs), -1)).transpose(0, 1)
    return out


class Block(NamedTuple):
    """Targets looked at together: c R without the mean of all, which moves all scores of a source alike."""

    places: Tensor  # (w,) ids
    single: Tensor  # (d_h, w) float32
    rounded: Rounded

    @classmethod
    def of(cls, places: Tensor, targets: Tensor) -> Block:
        """The targets (V, d_h, float32) at these places."""
        chosen = targets[places].T.contiguous()
        return cls(places, chosen, Rounded.of(chosen))


def rotation(width: int, like: Tensor) -> Tensor:
    """A fixed random rotation R (d_h, d_h), float64: it evens the entries of z and c, so that rounding loses less."""
    normal = torch.randn(width, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.linalg.qr(normal).Q.to(like.device)


def best_targets(
    read: Rows, targets: Tensor, drift: Tensor, exact: Callable[[Tensor], Tensor], screened: bool = True
) -> Tensor:
    """The best target of every source under one head, (V,) ids.

    `targets` (V, d_h) float64 holds c R, with c_j = W_O u_j / ‖u_j‖; `drift` (V,) is how far what is read of a source
    may be off beside rounding, as a share of its length, and `exact` gives z R of some sources in float64.
    `screened`: by eight-bit products, else float32.
    """
    targets = targets / (targets.norm(dim=1).max() or 1.0)
    centred = targets - targets.mean(0)
    single = centred.float()
    norms = single.norm(dim=1)
    known = known_winners(read.single, single)
    others = norms.index_fill(0, known, -1).argsort(descending=True)[: len(norms) - len(known)]
    blocks = [Block.of(places, single) for places in (known, *others.split(BLOCK)) if len(places)]
    rounding = (targets.shape[1] + 4) * 2.0**-23
    slack = ((read.norms * rounding + 2 * drift) * float(norms.max())).float()  # of two scores

    def search(rows: slice) -> tuple[Tensor, Tensor]:
        return winners(read.part(rows), blocks, slack[rows], eight_bit_screen if screened else float_screen)

    found = side_by_side(search, len(slack))
    best, near = (torch.cat(each) for each in zip(*found, strict=True))
    doubtful = near.nonzero()[:, 0]
    best[doubtful] = decided(exact(doubtful), targets)
    return best


def known_winners(read: Tensor, targets: Tensor) -> Tensor:
    """The best targets of a sample of the sources."""
    sample = read[:: max(1, len(read) // SAMPLE)]
    found = torch.cat([(part @ targets.T).argmax(1) for part in sample.split(BLOCK // 16)]).unique()
    return found[: len(found) // 8 * 8 or len(found)]  # so many are counted faster; others are found like the rest


Screen = Callable[[Rows, Block, Tensor], Tensor]


def winners(read: Rows, blocks: list[Block], slack: Tensor, screen: Screen) -> tuple[Tensor, Tensor]:
    """The best target of some sources in float32, and whether another is within rounding of it: (n,) each."""
    best = torch.full_like(slack, -torch.inf)
    place = torch.zeros(len(slack), dtype=torch.long, device=slack.device)
    near = torch.zeros_like(slack, dtype=torch.bool)
    scratch = torch.empty(BLOCK * BLOCK, dtype=torch.int32, device=slack.device)
    for block in blocks:
        bound = screen(read, block, scratch) + slack if block is not blocks[0] else best.new_full(best.shape, torch.inf)
        for rows in (bound >= best).nonzero()[:, 0].split(BLOCK):
            scores, before, off = read.single[rows] @ block.single, best[rows], slack[rows]
            value, which = scores.max(1)
            top = torch.maximum(value, before)
            rivals = count(scores >= (top - off)[:, None]) + (before >= top - off)
            settled = value - before > off
            near[rows] = torch.where(settled, rivals > 1, near[rows] | (rivals > 1))
            place[rows] = torch.where(value > before, block.places[which], place[rows])
            best[rows] = top
    return place, near


def eight_bit_screen(read: Rows, block: Block, scratch: Tensor) -> Tensor:
    """An upper bound on each source's highest score in a block: (n,).

    z · c = (a q) · (s p) + (z − a q) · s p + z · (c − s p), with the norms of what rounding left measured.
    """
    highest = torch.empty(len(read.coarse), dtype=torch.int32, device=scratch.device)
    width = block.rounded.coarse.shape[1]
    for start in range(0, len(highest), BLOCK):
        rows = read.coarse[start : start + BLOCK]
        scores = scratch[: len(rows) * width].view(len(rows), width)
        torch._int_mm(rows, block.rounded.coarse, out=scores)
        torch.amax(scores, 1, out=highest[start : start + BLOCK])
    scores = highest.clamp_min_(0).float() * (read.step * (block.rounded.step * (1 + 1e-6)))
    return scores + read.off * block.rounded.longest + read.norms * block.rounded.off


def float_screen(read: Rows, block: Block, scratch: Tensor) -> Tensor:
    """Each source's highest float32 score in a block: (n,)."""
    highest = torch.empty_like(read.norms)
    width = block.single.shape[1]
    for start in range(0, len(highest), BLOCK):
        rows = read.single[start : start + BLOCK]
        scores = scratch.view(torch.float32)[: len(rows) * width].view(len(rows), width)
        torch.mm(rows, block.single, out=scores)
        torch.amax(scores, 1, out=highest[start : start + BLOCK])
    return highest


def decided(read: Tensor, targets: Tensor) -> Tensor:
    """The best targets of some sources in float64, ties to the lower id: (n, d_h) and (V, d_h) to (n,)."""
    longest = targets.norm(dim=1).max()
    out = [torch.zeros(0, dtype=torch.long, device=read.device)]
    for part in read.split(BLOCK // 16):
        scores = part @ targets.T
        tie = 1e-13 * part.norm(dim=1) * longest
        out.append((scores >= (scores.amax(1) - tie)[:, None]).int().argmax(1))
    return torch.cat(out)
