"""The targets of random heads, drawn as those of the random baseline: what a head without a function looks like."""

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
from maps.scoring.concentration import entropy

MAX_MATRIX_ENTRIES = 1 << 25  # entries of random matrices that are held


def random_head_rows(model: Model, layer: int, numbers: Sequence[int], seed: int, wanted: SalientCounts) -> list[Row]:
    """The rows of `random_heads` for these random heads of a layer; each depends on its number, not on the others."""
    weights, found = model.layer(layer), []
    some = max(1, MAX_MATRIX_ENTRIES // weights.heads.values.shape[1] ** 2)
    for start in range(0, len(numbers), some):
        drawn = numbers[start : start + some]
        targets, kurtosis = random_head_targets(
            model, weights, [random_head_seed(seed, layer, number) for number in drawn], wanted
        )
        found += [
            {
                "layer": layer,
                "head": number,
                "seed": seed,
                "target_entropy": entropy(ids),
                "target_kurtosis": value if isfinite(value) else None,
            }
            for number, ids, value in zip(drawn, targets.flatten(1).tolist(), kurtosis.tolist(), strict=True)
        ]
    return found


def random_head_targets(
    model: Model, weights: LayerWeights, seeds: Sequence[int], wanted: SalientCounts
) -> tuple[Tensor, Tensor]:
    """Target ids (n, salient, targets) and mean target kurtosis (n,) of a layer's random heads, one a seed.

    A random head is R (d, d) in W_V W_O's place, of normal entries with the mean and deviation of the layer's own. It
    is read as one value head I (d, d) shared by the output weights R, so that all else goes as for the model's heads.
    """
    mean, deviation = mean_and_deviation(weights.exact_heads)
    eye = torch.eye(weights.exact_heads.values.shape[1], dtype=torch.float64, device=weights.exact_heads.values.device)
    matrices = torch.stack([apply_random_head(eye, mean, deviation, seed) for seed in seeds])  # (n, d, d)
    exact = HeadWeights(eye[None], matrices)
    reading = exact if weights.final_norm_gain is None else HeadWeights(eye[None], matrices * weights.final_norm_gain)
    sigma = saliency(weights.sources, HeadWeights(eye[None].float(), matrices.float()))
    found = find_salient_mappings(weights.sources, sigma, exact, reading, model.unembedding, wanted)
    return found.highest_targets.ids, found.kurtosis
