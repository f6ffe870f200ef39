"""The targets of random heads, drawn as those of the random baseline: what a head without a function looks like."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

from maps.atlas.schema import Row
from maps.heads.circuit import Heads, saliency
from maps.heads.random_heads import mean_and_deviation, seed_of, written_at_random
from maps.heads.salient_tokens import Wanted, salient_mappings
from maps.mapping.model import Layer, Model
from maps.scoring.concentration import entropy

AT_ONCE = 1 << 25  # entries of random matrices that are held


def random_rows(model: Model, layer: int, numbers: Sequence[int], seed: int, wanted: Wanted) -> list[Row]:
    """The rows of `random_heads` for these random heads of a layer; each depends on its number, not on the others."""
    weights, found = model.layer(layer), []
    some = max(1, AT_ONCE // weights.heads.values.shape[1] ** 2)
    for start in range(0, len(numbers), some):
        drawn = numbers[start : start + some]
        targets, kurtosis = spread(model, weights, [seed_of(seed, layer, number) for number in drawn], wanted)
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


def spread(model: Model, weights: Layer, seeds: Sequence[int], wanted: Wanted) -> tuple[Tensor, Tensor]:
    """Target ids (n, salient, targets) and mean target kurtosis (n,) of a layer's random heads, one a seed.

    A random head is R (d, d) in W_V W_O's place, of normal entries with the mean and deviation of the layer's own. It
    is read as one value head I (d, d) shared by the output weights R, so that all else goes as for the model's heads.
    """
    mean, deviation = mean_and_deviation(weights.exact)
    eye = torch.eye(weights.exact.values.shape[1], dtype=torch.float64, device=weights.exact.values.device)
    matrices = torch.stack([written_at_random(eye, mean, deviation, seed) for seed in seeds])  # (n, d, d)
    exact = Heads(eye[None], matrices)
    reading = exact if weights.gain is None else Heads(eye[None], matrices * weights.gain)
    sigma = saliency(weights.sources, Heads(eye[None].float(), matrices.float()))
    found = salient_mappings(weights.sources, sigma, exact, reading, model.columns, wanted)
    return found.highest.ids, found.kurtosis
