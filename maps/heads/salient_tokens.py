"""Salient mappings: the tokens on which a head acts most strongly, each with its highest targets (paper, section 3.2).

Saliency is σ_t = ‖ẽ_t W_V W_O‖ / ‖ẽ_t‖. It is computed for all tokens in float32 (`circuit.saliency`). A token that
could belong to the highest, given how far float32 may be off, is computed again in float64, and these values decide.
Then the mappings are the highest entries of the salient tokens' rows of M.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from maps.heads.circuit import HeadWeights
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets, find_highest_targets, sort_order
from maps.heads.unembedding import Unembedding

SCREEN_ERROR_SHARE = 1e-5  # assumed error of a float32 saliency, as a share of the head's gain: ten times the measured


def head_gains(heads: HeadWeights) -> Tensor:
    """‖W_V‖ ‖W_O‖ of every head (spectral norms), (H,) float64. No token has a higher saliency."""
    values = torch.linalg.eigvalsh(heads.values.transpose(1, 2) @ heads.values)[:, -1]
    outputs = torch.linalg.eigvalsh(heads.outputs @ heads.outputs.transpose(1, 2))[:, -1]
    return (values.repeat_interleave(heads.group_size) * outputs).clamp_min(0).sqrt()


def find_salient_tokens(
    sources: Sources, sigma: Tensor, exact_heads: HeadWeights, head: int, wanted: int, gain: float
) -> tuple[Tensor, Tensor]:
    """The `wanted` tokens of highest saliency under one head: ids (wanted,) and σ in float64 (wanted,).

    `sigma` (V,) is the saliency in float32, `exact_heads` the layer's weights in float64, `gain` the head's value of
    `head_gains`.
    """
    # If a row moves by δ, its direction ẽ / ‖ẽ‖ moves by at most 2 δ / ‖ẽ‖, and the head makes that at most `gain`
    # times as long. So this is how far σ may be off because float32 rows of Ẽ are.
    error_bounds = 2 * gain * sources.error_bounds / sources.norms.clamp_min(torch.finfo(torch.float32).tiny)  # (V,)

    def exact_saliency(ids: Tensor) -> Tensor:
        rows = sources.exact_rows(ids)
        norms = rows.norm(dim=1)
        return exact_heads.head_output(rows, head).norm(dim=1) / norms.where(norms > 0, 1)

    return confirm_highest(sigma, error_bounds, SCREEN_ERROR_SHARE * gain, wanted, exact_saliency)


def confirm_highest(
    screen: Tensor, error_bounds: Tensor, slack: float, wanted: int, exactly: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The `wanted` tokens of highest value, by value and then lower id: ids (n,) and values in float64 (n,).

    `screen` (V,) are the values of all tokens in float32. Each may be off by its `error_bounds` (V,), because of what
    it was computed from, and by `slack`, because it was computed in float32. `exactly` computes tokens' values in
    float64.

    The slack is an assumption, so it is checked: if the largest error seen among the candidates, times eight, exceeds
    it, the search is repeated with that as the slack.
    """
    wanted = min(wanted, len(screen))
    # `wanted` tokens have at least the value floor − slack. A token can only be among the highest if it reaches that:
    # screen + its error bound + slack ≥ floor − slack.
    floor = float((screen - error_bounds).topk(wanted).values[-1])
    while True:
        candidates = (screen + error_bounds >= floor - 2 * slack).nonzero()[:, 0]
        values = exactly(candidates)
        eightfold_error = 8 * float(((values - screen[candidates]).abs() - error_bounds[candidates]).max())
        if eightfold_error <= slack:
            break
        slack = eightfold_error
    order = sort_order(values, candidates, 1e-12 * float(values.abs().max()))[:wanted]
    return candidates[order], values[order]


class SalientMappings(NamedTuple):
    """The salient tokens of a layer's heads, n for each head, with t targets each."""

    sources: Tensor  # (H, n) ids, by falling saliency
    saliency: Tensor  # (H, n) σ, float64
    highest_targets: Targets  # (H, n, t)
    lowest_targets: Targets | None  # (H, s, t) lowest first, of the first s (not held-out) tokens
    kurtosis: Tensor  # (H,) mean population kurtosis of the first s tokens' rows of M; nan if a row is constant


class SalientCounts(NamedTuple):
    """How many salient tokens and targets to find for each head."""

    salient: int = 30
    heldout: int = 30  # further tokens, the next by rank, that no describer sees
    targets: int = 5
    with_lowest_targets: bool = False  # find the lowest targets of the salient tokens too


def find_salient_mappings(
    sources: Sources,
    sigma: Tensor,
    exact_heads: HeadWeights,
    scoring_heads: HeadWeights,
    unembedding: Unembedding,
    wanted: SalientCounts,
) -> SalientMappings:
    """The most salient tokens of every head of a layer with their highest targets.

    `sigma` (H, V) is the saliency in float32. Both sets of weights are in float64: `exact_heads` as in the checkpoint,
    `scoring_heads` with the gain of the final norm on their outputs if it is to be applied.
    """
    gains = head_gains(exact_heads).tolist()
    count = wanted.salient + wanted.heldout
    tokens = [find_salient_tokens(sources, sigma[h], exact_heads, h, count, gains[h]) for h in range(len(sigma))]
    ids, saliency = map(torch.stack, zip(*tokens, strict=True))  # (H, n)
    outputs = torch.stack([scoring_heads.head_output(sources.exact_rows(row), h) for h, row in enumerate(ids)])
    # The salient tokens of all heads come first, then the held-out ones: only the first part needs kurtosis and lows.
    parts = [part for part in (outputs[:, : wanted.salient], outputs[:, wanted.salient :]) if part.shape[1]]
    y = torch.cat([part.flatten(0, 1) for part in parts])
    shapes = [part.shape[:2] for part in parts]
    first_rows = shapes[0].numel()
    highest, kurtosis = find_highest_targets(y, wanted.targets, unembedding, first_rows)
    lowest = None
    if wanted.with_lowest_targets:
        negated, _ = find_highest_targets(-y[:first_rows], wanted.targets, unembedding)
        lowest = Targets(stack_by_head(negated.ids, shapes[:1]), -stack_by_head(negated.scores, shapes[:1]))
    highest = Targets(stack_by_head(highest.ids, shapes), stack_by_head(highest.scores, shapes))
    return SalientMappings(ids, saliency, highest, lowest, kurtosis.view(shapes[0]).mean(1))


def stack_by_head(rows: Tensor, shapes: list[torch.Size]) -> Tensor:
    """Rows ordered by part, then head, regrouped by head: (H n₁ + H n₂, t) to (H, n₁ + n₂, t)."""
    parts = rows.split([shape.numel() for shape in shapes])
    return torch.cat([part.view(*shape, -1) for part, shape in zip(parts, shapes, strict=True)], dim=1)
