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

from maps.heads.circuit import HeadWeights
from maps.heads.eight_bit import RoundedColumns, RoundedRows, has_fast_int8
from maps.heads.parallel import run_in_shares
from maps.heads.rank_tests import count_true
from maps.heads.sources import Sources
from maps.heads.unembedding import Unembedding

BLOCK = 1024  # targets, and sources, a product: their scores stay in the processor's cache
TARGET_BYTES = 1 << 28  # of float64 targets held at once
SAMPLE_SOURCES = 256  # sources whose best targets are known first: they are the best of many others


def output_space_sizes(
    sources: Sources, heads: HeadWeights, unembedding: Unembedding, gain: Tensor | None = None
) -> list[float]:
    """The share of tokens that are the best target of some source, for every head of a layer, in (0, 1].

    The heads are in float64. `gain` (d,), where there is one, multiplies U's columns before they are normalised.
    """
    turn = random_rotation(heads.values.shape[2], heads.values)
    screened = has_fast_int8(heads.values.device)
    at_once = max(1, TARGET_BYTES // (8 * len(unembedding) * len(turn)))
    found = []
    for kv, value in enumerate(heads.values):
        weights = value @ turn  # (d, d_h)
        exactly = partial(read_sources_exactly, sources, weights)
        read = RoundedRows.from_exact(torch.cat([block.double() @ weights for _, block in sources.blocks()]))
        drift = sources.error_bounds * float(torch.linalg.matrix_norm(value, 2)) / read.lengths
        for outputs in heads.outputs[kv * heads.group_size : (kv + 1) * heads.group_size].split(at_once):
            for targets in unit_targets(unembedding, outputs, turn, gain):
                best = best_targets(read, targets, drift, exactly, screened)
                found.append(len(best.unique()) / len(unembedding))
    return found


def read_sources_exactly(sources: Sources, value_weights: Tensor, ids: Tensor) -> Tensor:
    """What a value head, turned, reads of some sources in float64: (n,) to (n, d_h)."""
    return sources.exact_rows(ids) @ value_weights


def unit_targets(unembedding: Unembedding, outputs: Tensor, rotation: Tensor, gain: Tensor | None) -> Tensor:
    """W_O u_j R / ‖u_j‖ of every token by id, for some heads, in float64: (h, d_h, d) to (h, V, d_h)."""
    weights = (rotation.T @ outputs).flatten(0, 1).T.contiguous()  # (d, h d_h)
    out = weights.new_empty(len(outputs), len(unembedding), len(rotation))
    for start, block in unembedding.blocks(4 * BLOCK):
        rows = block.double() if gain is None else block.double() * gain
        norms = rows.norm(dim=1, keepdim=True)
        unit = (rows @ weights) / norms.where(norms > 0, 1)
        out[:, unembedding.token_ids[start : start + len(block)]] = unit.unflatten(1, (len(outputs), -1)).transpose(
            0, 1
        )
    return out


class TargetBlock(NamedTuple):
    """Targets looked at together: c R without the mean of all, which moves all scores of a source alike."""

    token_ids: Tensor  # (w,) ids
    float32_targets: Tensor  # (d_h, w) float32
    rounded_targets: RoundedColumns

    @classmethod
    def from_targets(cls, token_ids: Tensor, targets: Tensor) -> TargetBlock:
        """The targets (V, d_h, float32) at these places."""
        chosen = targets[token_ids].T.contiguous()
        return cls(token_ids, chosen, RoundedColumns.from_float32(chosen))


def random_rotation(width: int, like: Tensor) -> Tensor:
    """A fixed random rotation R (d_h, d_h), float64: it evens the entries of z and c, so that rounding loses less."""
    normal = torch.randn(width, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.linalg.qr(normal).Q.to(like.device)


def best_targets(
    read: RoundedRows,
    targets: Tensor,
    relative_errors: Tensor,
    read_exactly: Callable[[Tensor], Tensor],
    use_int8: bool = True,
) -> Tensor:
    """The best target of every source under one head, (V,) ids.

    `targets` (V, d_h) float64 holds c R, with c_j = W_O u_j / ‖u_j‖; `relative_errors` (V,) is how far what is read of a source
    may be off beside rounding, as a share of its length, and `read_exactly` gives z R of some sources in float64.
    `use_int8`: by eight-bit products, else float32.
    """
    targets = targets / (targets.norm(dim=1).max() or 1.0)
    centred = targets - targets.mean(0)
    single = centred.float()
    norms = single.norm(dim=1)
    known = sample_best_targets(read.unit_rows, single)
    others = norms.index_fill(0, known, -1).argsort(descending=True)[: len(norms) - len(known)]
    blocks = [TargetBlock.from_targets(places, single) for places in (known, *others.split(BLOCK)) if len(places)]
    rounding = (targets.shape[1] + 4) * 2.0**-23
    slack = ((read.norms * rounding + 2 * relative_errors) * float(norms.max())).float()  # of two scores

    def search(rows: slice) -> tuple[Tensor, Tensor]:
        return search_blocks(
            read.select(rows), blocks, slack[rows], int8_block_bounds if use_int8 else float32_block_maxima
        )

    found = run_in_shares(search, len(slack))
    best, near = (torch.cat(each) for each in zip(*found, strict=True))
    doubtful = near.nonzero()[:, 0]
    best[doubtful] = exact_best_targets(read_exactly(doubtful), targets)
    return best


def sample_best_targets(read: Tensor, targets: Tensor) -> Tensor:
    """The best targets of a sample of the sources."""
    sample = read[:: max(1, len(read) // SAMPLE_SOURCES)]
    found = torch.cat([(part @ targets.T).argmax(1) for part in sample.split(BLOCK // 16)]).unique()
    return found[: len(found) // 8 * 8 or len(found)]  # so many are counted faster; others are found like the rest


BlockScreen = Callable[[RoundedRows, TargetBlock, Tensor], Tensor]


def search_blocks(
    read: RoundedRows, blocks: list[TargetBlock], slack: Tensor, screen: BlockScreen
) -> tuple[Tensor, Tensor]:
    """The best target of some sources in float32, and whether another is within rounding of it: (n,) each."""
    best = torch.full_like(slack, -torch.inf)
    place = torch.zeros(len(slack), dtype=torch.long, device=slack.device)
    near = torch.zeros_like(slack, dtype=torch.bool)
    scratch = torch.empty(BLOCK * BLOCK, dtype=torch.int32, device=slack.device)
    for block in blocks:
        bound = screen(read, block, scratch) + slack if block is not blocks[0] else best.new_full(best.shape, torch.inf)
        for rows in (bound >= best).nonzero()[:, 0].split(BLOCK):
            scores, before, off = read.unit_rows[rows] @ block.float32_targets, best[rows], slack[rows]
            value, which = scores.max(1)
            top = torch.maximum(value, before)
            rivals = count_true(scores >= (top - off)[:, None]) + (before >= top - off)
            settled = value - before > off
            near[rows] = torch.where(settled, rivals > 1, near[rows] | (rivals > 1))
            place[rows] = torch.where(value > before, block.token_ids[which], place[rows])
            best[rows] = top
    return place, near


def int8_block_bounds(read: RoundedRows, block: TargetBlock, scratch: Tensor) -> Tensor:
    """An upper bound on each source's highest score in a block: (n,).

    z · c = (a q) · (s p) + (z − a q) · s p + z · (c − s p), with the norms of what rounding left measured.
    """
    highest = torch.empty(len(read.int8_rows), dtype=torch.int32, device=scratch.device)
    width = block.rounded_targets.int8_columns.shape[1]
    for start in range(0, len(highest), BLOCK):
        rows = read.int8_rows[start : start + BLOCK]
        scores = scratch[: len(rows) * width].view(len(rows), width)
        torch._int_mm(rows, block.rounded_targets.int8_columns, out=scores)
        torch.amax(scores, 1, out=highest[start : start + BLOCK])
    scores = highest.clamp_min_(0).float() * (read.step * (block.rounded_targets.step * (1 + 1e-6)))
    return (
        scores
        + read.rounding_norms * block.rounded_targets.largest_norm
        + read.norms * block.rounded_targets.largest_rounding_norm
    )


def float32_block_maxima(read: RoundedRows, block: TargetBlock, scratch: Tensor) -> Tensor:
    """Each source's highest float32 score in a block: (n,)."""
    highest = torch.empty_like(read.norms)
    width = block.float32_targets.shape[1]
    for start in range(0, len(highest), BLOCK):
        rows = read.unit_rows[start : start + BLOCK]
        scores = scratch.view(torch.float32)[: len(rows) * width].view(len(rows), width)
        torch.mm(rows, block.float32_targets, out=scores)
        torch.amax(scores, 1, out=highest[start : start + BLOCK])
    return highest


def exact_best_targets(read: Tensor, targets: Tensor) -> Tensor:
    """The best targets of some sources in float64, ties to the lower id: (n, d_h) and (V, d_h) to (n,)."""
    longest = targets.norm(dim=1).max()
    out = [torch.zeros(0, dtype=torch.long, device=read.device)]
    for part in read.split(BLOCK // 16):
        scores = part @ targets.T
        tie = 1e-13 * part.norm(dim=1) * longest
        out.append((scores >= (scores.amax(1) - tie)[:, None]).int().argmax(1))
    return torch.cat(out)
