"""Salient mappings: the tokens on which a head acts most strongly, each with its highest targets (paper, 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.circuit import HeadWeights
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets, find_highest_targets, sort_order
from maps.heads.unembedding import Unembedding

SCREEN_ERROR_SHARE = 1e-5  # share of a head's gain that a float32 saliency may be off by (measured: 1e-6)


def head_gains(heads: HeadWeights) -> Tensor:
    """‖W_V‖ ‖W_O‖ of every head (spectral norms), (H,) float64: no saliency is higher."""
    values = torch.linalg.eigvalsh(heads.values.transpose(1, 2) @ heads.values)[:, -1]
    outputs = torch.linalg.eigvalsh(heads.outputs @ heads.outputs.transpose(1, 2))[:, -1]
    return (values.repeat_interleave(heads.group_size) * outputs).clamp_min(0).sqrt()


def find_salient_tokens(
    sources: Sources, sigma: Tensor, exact_heads: HeadWeights, head: int, wanted: int, gain: float
) -> tuple[Tensor, Tensor]:
    """The `wanted` tokens of highest σ under one head: ids (wanted,) and σ in float64 (wanted,).

    `sigma` (V,) is the float32 screen, `exact_heads` the heads in float64, `gain` the head's `head_gains`: every token that could
    belong to the highest is redone in float64. How far the screen may be off is SCREEN times the gain, and eight
    times what it is seen to be off by, where that is more; and what comes of rows of Ẽ that are off themselves.
    """
    drift = 2 * gain * sources.error_bounds / sources.norms.clamp_min(torch.finfo(torch.float32).tiny)  # (V,)

    def exactly(ids: Tensor) -> Tensor:
        rows = sources.exact_rows(ids)
        norms = rows.norm(dim=1)
        return exact_heads.head_output(rows, head).norm(dim=1) / norms.where(norms > 0, 1)

    return confirm_highest(sigma, drift, SCREEN_ERROR_SHARE * gain, wanted, exactly)


def confirm_highest(
    screen: Tensor, error_bounds: Tensor, slack: float, wanted: int, exactly: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The `wanted` tokens of highest value, by value and then lower id: ids (n,) and values in float64 (n,).

    `screen` (V,) are all values in float32, each off by no more than its `error_bounds` (V,) and `slack`, or eight times what
    they are seen to be off by, where that is more. `exactly` gives some tokens' values in float64.
    """
    wanted = min(wanted, len(screen))
    floor = float((screen - error_bounds).topk(wanted).values[-1])
    while True:
        candidates = (screen + error_bounds >= floor - 2 * slack).nonzero()[:, 0]
        values = exactly(candidates)
        seen = 8 * float(((values - screen[candidates]).abs() - error_bounds[candidates]).max())
        if seen <= slack:
            break
        slack = seen
    order = sort_order(values, candidates, 1e-12 * float(values.abs().max()))[:wanted]
    return candidates[order], values[order]


class SalientMappings(NamedTuple):
    """The salient tokens of a layer's heads, n a head, with t targets each."""

    sources: Tensor  # (H, n) ids, by falling saliency
    saliency: Tensor  # (H, n) σ, float64
    highest_targets: Targets  # (H, n, t)
    lowest_targets: Targets | None  # the same of the lowest targets of the first tokens, lowest first
    kurtosis: Tensor  # (H,) mean population kurtosis of the first tokens' rows of M; nan where one is constant


class SalientCounts(NamedTuple):
    """How many salient tokens and targets are asked for."""

    salient: int = 30
    heldout: int = 30  # ranks after the first, kept back
    targets: int = 5
    with_lowest_targets: bool = False  # the lowest targets of the first tokens too


def find_salient_mappings(
    sources: Sources,
    sigma: Tensor,
    exact_heads: HeadWeights,
    scoring_heads: HeadWeights,
    unembedding: Unembedding,
    wanted: SalientCounts,
) -> SalientMappings:
    """The most salient tokens of every head of a layer with their highest targets.

    `sigma` (H, V) is the float32 saliency. Both heads are in float64: `exact_heads` as they are, `scoring_heads` with the gain of
    the final norm on their outputs where that is asked for.
    """
    first, limits = wanted.salient, head_gains(exact_heads).tolist()
    both = first + wanted.heldout
    found = [find_salient_tokens(sources, sigma[h], exact_heads, h, both, limits[h]) for h in range(len(sigma))]
    ids, values = (torch.stack(each) for each in zip(*found, strict=True))  # (H, n)
    written = torch.stack(
        [scoring_heads.head_output(sources.exact_rows(row), head) for head, row in enumerate(ids)]
    )  # (H, n, d)
    parts = [part for part in (written[:, :first], written[:, first:]) if part.shape[1]]
    y = torch.cat([part.flatten(0, 1) for part in parts])  # the first tokens of all heads before the others
    spread = parts[0].shape[0] * parts[0].shape[1]
    best, kurtosis = find_highest_targets(y, wanted.targets, unembedding, spread)
    shapes = [part.shape[:2] for part in parts]
    lowest = None
    if wanted.with_lowest_targets:
        worst, _ = find_highest_targets(-y[:spread], wanted.targets, unembedding)
        lowest = Targets(stack_by_head(worst.ids, shapes[:1]), -stack_by_head(worst.scores, shapes[:1]))
    best = Targets(*(stack_by_head(each, shapes) for each in best))
    return SalientMappings(ids, values, best, lowest, kurtosis.view(shapes[0]).mean(1))


def stack_by_head(rows: Tensor, shapes: list[torch.Size]) -> Tensor:
    """Rows of parts that stand one after the other, as one row of parts a head: (H n₁ + H n₂, t) to (H, n₁ + n₂, t)."""
    split = rows.split([heads * n for heads, n in shapes])
    return torch.cat([part.view(*shape, -1) for part, shape in zip(split, shapes, strict=True)], dim=1)
