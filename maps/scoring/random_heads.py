"""The targets of random heads, drawn as for the random baseline: how a head without a function looks."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

from maps.atlas.schema import Row
from maps.heads.circuit import HeadWeights, saliency
from maps.heads.random_heads import apply_random_head, mean_and_deviation, random_head_seed
from maps.heads.salient_tokens import SalientCounts, find_salient_mappings
from maps.mapping.model import LayerWeights, Model
from maps.scoring.comparison import entropy

MAX_MATRIX_ENTRIES = 1 << 25  # entries of random matrices in memory at a time


def random_head_rows(model: Model, layer: int, numbers: Sequence[int], seed: int, counts: SalientCounts) -> list[Row]:
    """The rows of `random_heads` for these random heads of a layer; each depends only on its number and the seed."""
    weights, rows = model.layer(layer), []
    block_size = max(1, MAX_MATRIX_ENTRIES // weights.heads.values.shape[1] ** 2)
    for start in range(0, len(numbers), block_size):
        block = numbers[start : start + block_size]
        seeds = [random_head_seed(seed, layer, number) for number in block]
        targets, kurtosis = random_head_targets(model, weights, seeds, counts)
        rows += [
            {
                "layer": layer,
                "head": number,
                "seed": seed,
                "target_entropy": entropy(ids),
                "target_kurtosis": value if isfinite(value) else None,
            }
            for number, ids, value in zip(block, targets.flatten(1).tolist(), kurtosis.tolist(), strict=True)
        ]
    return rows


def random_head_targets(
    model: Model, weights: LayerWeights, seeds: Sequence[int], counts: SalientCounts
) -> tuple[Tensor, Tensor]:
    """Target ids (n, salient, targets) and mean target kurtosis (n,) of random heads of a layer, one per seed.

    A random head has a matrix R (d, d) instead of W_V W_O, with normal entries of the mean and deviation of the layer's
    own. It is written as R = I R, with value weights I shared by all heads and output weights R, so that the code for
    the model's heads applies.
    """
    mean, deviation = mean_and_deviation(weights.exact_heads)
    identity = torch.eye(
        weights.exact_heads.values.shape[1], dtype=torch.float64, device=weights.exact_heads.values.device
    )
    matrices = torch.stack([apply_random_head(identity, mean, deviation, seed) for seed in seeds])  # (n, d, d)
    exact = HeadWeights(identity[None], matrices)
    scoring = HeadWeights(identity[None], weights.target_side.apply(matrices))
    sigma = saliency(weights.sources, HeadWeights(identity[None].float(), matrices.float()))
    mappings = find_salient_mappings(weights.sources, sigma, exact, scoring, model.unembedding, counts)
    return mappings.highest_targets.ids, mappings.kurtosis
