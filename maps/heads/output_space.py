"""Output space size: the share of the vocabulary that is the best target of some source (paper, appendix).

    best(s) = argmax_j  (ẽ_s W_V W_O) · u_j / ‖u_j‖  =  argmax_j  z_s · c_j,    z = ẽ W_V,  c_j = W_O u_j / ‖u_j‖

That is V² scores. Only the best of each source is needed, so most scores are never computed exactly. Targets are taken
in blocks. For each source and block, a product in eight bits gives an upper bound on the highest score in the block;
the block is scored in float32 only if the bound reaches the best score found so far. Sources with two scores within
float32's rounding are decided in float64. The result is that of float64, with true ties to the lower id.

Three things make the bounds tight, and none changes which target is best:
- the mean of all c is subtracted, which moves all scores of a source alike;
- z and c are rotated by the same random R, (z R) · (c R) = z · c, which evens out their entries before rounding;
- the best targets of a few sample sources come first, since they are the best of many other sources too.
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
from maps.heads.target_side import PAPER_TARGET_SIDE, TargetSide
from maps.heads.unembedding import Unembedding

BLOCK = 1024  # targets, and sources, in one product: their scores stay in the processor's cache
TARGET_BYTES = 1 << 28  # memory for float64 targets of heads that are done together
SAMPLE_SOURCES = 256  # sources whose best targets make up the first block


def output_space_sizes(
    sources: Sources, heads: HeadWeights, unembedding: Unembedding, target_side: TargetSide = PAPER_TARGET_SIDE
) -> list[float]:
    """The share of tokens that are the best target of some source, in (0, 1], for every head of a layer.

    `heads` are in float64. The target side is applied to every u_j before its length is taken.
    """
    rotation = random_rotation(heads.values.shape[2], heads.values)
    use_int8 = has_fast_int8(heads.values.device)
    heads_at_once = max(1, TARGET_BYTES // (8 * len(unembedding) * len(rotation)))
    sizes = []
    for kv, value in enumerate(heads.values):
        value_weights = value @ rotation  # (d, d_h)
        z = RoundedRows.from_exact(torch.cat([rows.double() @ value_weights for _, rows in sources.blocks()]))
        # A row of Ẽ that is off by δ moves z by at most ‖W_V‖ ‖δ‖ (spectral norm); as a share of the length of z:
        relative_errors = sources.error_bounds * float(torch.linalg.matrix_norm(value, 2)) / z.lengths
        read_exactly = partial(read_sources_exactly, sources, value_weights)
        for outputs in heads.outputs[kv * heads.group_size : (kv + 1) * heads.group_size].split(heads_at_once):
            for targets in unit_targets(unembedding, outputs, rotation, target_side):
                best = best_targets(z, targets, relative_errors, read_exactly, use_int8)
                sizes.append(len(best.unique()) / len(unembedding))
    return sizes


def read_sources_exactly(sources: Sources, value_weights: Tensor, ids: Tensor) -> Tensor:
    """z R = ẽ W_V R of some sources in float64: (n,) to (n, d_h)."""
    return sources.exact_rows(ids) @ value_weights


def unit_targets(unembedding: Unembedding, outputs: Tensor, rotation: Tensor, target_side: TargetSide) -> Tensor:
    """c R = W_O u_j R / ‖u_j‖ of every token by id, for h heads, in float64: (h, d_h, d) to (h, V, d_h)."""
    weights = (rotation.T @ outputs).flatten(0, 1).T.contiguous()  # (d, h d_h)
    out = weights.new_empty(len(outputs), len(unembedding), len(rotation))
    for start, block in unembedding.blocks(4 * BLOCK):
        rows = target_side.pull_back(block.double())
        norms = rows.norm(dim=1, keepdim=True)
        targets = ((rows @ weights) / norms.where(norms > 0, 1)).unflatten(1, (len(outputs), -1))  # (w, h, d_h)
        out[:, unembedding.token_ids[start : start + len(block)]] = targets.transpose(0, 1)
    return out


class TargetBlock(NamedTuple):
    """Some targets c R, less the mean of all, in both precisions."""

    token_ids: Tensor  # (w,)
    float32_targets: Tensor  # (d_h, w)
    rounded_targets: RoundedColumns

    @classmethod
    def from_targets(cls, token_ids: Tensor, targets: Tensor) -> TargetBlock:
        """The targets of some tokens, from those of all (V, d_h) in float32."""
        columns = targets[token_ids].T.contiguous()
        return cls(token_ids, columns, RoundedColumns.from_float32(columns))


def random_rotation(width: int, like: Tensor) -> Tensor:
    """A fixed random rotation R (d_h, d_h) in float64."""
    normal = torch.randn(width, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.linalg.qr(normal).Q.to(like.device)


def best_targets(
    z: RoundedRows,
    targets: Tensor,
    relative_errors: Tensor,
    read_exactly: Callable[[Tensor], Tensor],
    use_int8: bool = True,
) -> Tensor:
    """The best target of every source under one head, (V,) ids.

    `targets` (V, d_h) are c R in float64. `relative_errors` (V,) say how far z of a source may be off before it is
    rounded, as a share of its length; `read_exactly` computes z R of some sources in float64. With `use_int8` blocks
    are screened by eight-bit products, else by float32 ones.
    """
    targets = targets / (targets.norm(dim=1).max() or 1.0)
    centred = (targets - targets.mean(0)).float()
    norms = centred.norm(dim=1)
    sample_targets = sample_best_targets(z.unit_rows, centred)
    # The other targets by falling norm: blocks of short ones can then be skipped by their bound.
    others = norms.index_fill(0, sample_targets, -1).argsort(descending=True)[: len(norms) - len(sample_targets)]
    token_blocks = [ids for ids in (sample_targets, *others.split(BLOCK)) if len(ids)]
    blocks = [TargetBlock.from_targets(ids, centred) for ids in token_blocks]
    # How far two float32 scores of a source may be off from each other. Each is off by at most (d_h + 4) r ‖z‖ ‖c‖ for
    # rounding z and c and for the sum (r = 2⁻²⁴), and by the relative error of z times ‖c‖. For two, twice that.
    rounding = (targets.shape[1] + 4) * 2.0**-23
    slack = ((z.norms * rounding + 2 * relative_errors) * float(norms.max())).float()
    screen = int8_block_bounds if use_int8 else float32_block_maxima

    def search(rows: slice) -> tuple[Tensor, Tensor]:
        return search_blocks(z.select(rows), blocks, slack[rows], screen)

    best, has_rival = map(torch.cat, zip(*run_in_shares(search, len(slack)), strict=True))
    doubtful = has_rival.nonzero()[:, 0]
    best[doubtful] = exact_best_targets(read_exactly(doubtful), targets)
    return best


def sample_best_targets(unit_rows: Tensor, targets: Tensor) -> Tensor:
    """The different best targets of a sample of the sources, (w,) ids."""
    sample = unit_rows[:: max(1, len(unit_rows) // SAMPLE_SOURCES)]
    best = torch.cat([(rows @ targets.T).argmax(1) for rows in sample.split(BLOCK // 16)]).unique()
    return best[: len(best) // 8 * 8 or len(best)]  # `count_true` is fast for multiples of 8; the rest comes later


Screen = Callable[[RoundedRows, TargetBlock, Tensor], Tensor]


def search_blocks(z: RoundedRows, blocks: list[TargetBlock], slack: Tensor, screen: Screen) -> tuple[Tensor, Tensor]:
    """The best target of some sources in float32, (n,) ids, and whether another score is within rounding of it (n,).

    The first block is scored for all sources, a later one only for sources whose bound reaches their best so far.
    """
    best = torch.full_like(slack, -torch.inf)
    best_ids = torch.zeros(len(slack), dtype=torch.long, device=slack.device)
    has_rival = torch.zeros_like(slack, dtype=torch.bool)
    scratch = torch.empty(BLOCK * BLOCK, dtype=torch.int32, device=slack.device)  # reused for every product
    for block in blocks:
        bound = screen(z, block, scratch) + slack if block is not blocks[0] else best.new_full(best.shape, torch.inf)
        for rows in (bound >= best).nonzero()[:, 0].split(BLOCK):
            scores, before, off = z.unit_rows[rows] @ block.float32_targets, best[rows], slack[rows]
            value, column = scores.max(1)
            top = torch.maximum(value, before)
            # Scores within `off` of the top may be the true best. One of them is the top itself, so two are a rivalry.
            near_count = count_true(scores >= (top - off)[:, None]) + (before >= top - off)
            # A clearly better score ends earlier rivalries; otherwise they stay.
            is_clearly_better = value - before > off
            has_rival[rows] = torch.where(is_clearly_better, near_count > 1, has_rival[rows] | (near_count > 1))
            best_ids[rows] = torch.where(value > before, block.token_ids[column], best_ids[rows])
            best[rows] = top
    return best_ids, has_rival


def int8_block_bounds(z: RoundedRows, block: TargetBlock, scratch: Tensor) -> Tensor:
    """An upper bound on each source's highest score in a block, (n,): the three terms of `eight_bit`.

    Only the first term differs between targets, so its maximum is taken; the others use the block's largest norms. The
    float32 rounding of the bound itself is covered by the slack that is added later: half of it is for a second score.
    """
    columns = block.rounded_targets
    highest = row_maxima(torch._int_mm, z.int8_rows, columns.int8_columns, scratch)
    # A negative maximum becomes 0, so that the factor 1 + 10⁻⁶ always rounds upward.
    scores = highest.clamp_min_(0).float() * (z.step * (columns.step * (1 + 1e-6)))
    return scores + z.rounding_norms * columns.largest_norm + z.norms * columns.largest_rounding_norm


def float32_block_maxima(z: RoundedRows, block: TargetBlock, scratch: Tensor) -> Tensor:
    """Each source's highest float32 score in a block: (n,)."""
    return row_maxima(torch.mm, z.unit_rows, block.float32_targets, scratch.view(torch.float32))


def row_maxima(multiply: Callable[..., Tensor], rows: Tensor, columns: Tensor, scratch: Tensor) -> Tensor:
    """The highest entry of each row of a product, (n, d_h) and (d_h, w) to (n,).

    At most BLOCK rows are multiplied at once; `scratch` holds the products and has their dtype.
    """
    highest = scratch.new_empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        products = scratch[: len(part) * columns.shape[1]].view(len(part), columns.shape[1])
        multiply(part, columns, out=products)
        torch.amax(products, 1, out=highest[start : start + BLOCK])
    return highest


def exact_best_targets(z: Tensor, targets: Tensor) -> Tensor:
    """The best targets of some sources in float64, ties to the lower id: (n, d_h) and (V, d_h) to (n,).

    Scores within 10⁻¹³ of the lengths' product are a tie: some hundred times float64's rounding.
    """
    longest = targets.norm(dim=1).max()
    best = [torch.zeros(0, dtype=torch.long, device=z.device)]
    for rows in z.split(BLOCK // 16):
        scores = rows @ targets.T
        tie = 1e-13 * rows.norm(dim=1) * longest
        best.append((scores >= (scores.amax(1) - tie)[:, None]).int().argmax(1))
    return torch.cat(best)
