"""Random heads, drawn as for the random baseline: how the mappings of a head without a function look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor

from maps.atlas.schema import Row
from maps.heads.circuit import HeadWeights, saliency
from maps.heads.random_heads import apply_random_head, mean_and_deviation, random_head_seed
from maps.heads.salient_tokens import SalientCounts, SalientMappings, find_salient_mappings
from maps.mapping.model import LayerWeights, Model
from maps.scoring.comparison import entropy

MAX_MATRIX_ENTRIES = 1 << 25  # entries of random matrices in memory at a time


class RandomHeads(NamedTuple):
    """Some random heads of a layer: their numbers, the saliency of every token (n, V) and their mappings."""

    numbers: Sequence[int]
    saliency: Tensor
    mappings: SalientMappings


def random_head_rows(model: Model, layer: int, numbers: Sequence[int], seed: int, counts: SalientCounts) -> list[Row]:
    """The rows of `random_heads` for these random heads of a layer; each depends only on its number and the seed."""
    return [
        {
            "layer": layer,
            "head": number,
            "seed": seed,
            "target_entropy": entropy(ids),
            "target_kurtosis": value if isfinite(value) else None,
        }
        for block in draw_random_heads(model, layer, numbers, seed, counts)
        for number, ids, value in zip(
            block.numbers,
            block.mappings.highest_targets.ids.flatten(1).tolist(),
            block.mappings.kurtosis.tolist(),
            strict=True,
        )
    ]


def draw_random_heads(
    model: Model, layer: int, numbers: Sequence[int], seed: int, counts: SalientCounts
) -> Iterator[RandomHeads]:
    """The random heads of a layer with these numbers, a few at a time."""
    weights = model.layer(layer)
    block_size = max(1, MAX_MATRIX_ENTRIES // weights.heads.values.shape[1] ** 2)
    for start in range(0, len(numbers), block_size):
        block = numbers[start : start + block_size]
        exact = random_head_weights(weights, [random_head_seed(seed, layer, number) for number in block])
        scoring = HeadWeights(exact.values, weights.target_side.apply(exact.outputs))
        sigma = saliency(weights.sources, HeadWeights(exact.values.float(), exact.outputs.float()))
        mappings = find_salient_mappings(weights.sources, sigma, exact, scoring, model.unembedding, counts)
        yield RandomHeads(block, sigma, mappings)


def random_head_weights(weights: LayerWeights, seeds: Sequence[int]) -> HeadWeights:
    """Random heads of a layer, one per seed, in float64.

    A random head has a matrix R (d, d) instead of W_V W_O, with normal entries of the mean and deviation of the layer's
    own. It is written as R = I R, with value weights I shared by all heads and output weights R, so that the code for
    the model's heads applies.
    """
    values = weights.exact_heads.values
    mean, deviation = mean_and_deviation(weights.exact_heads)
    identity = torch.eye(values.shape[1], dtype=torch.float64, device=values.device)
    return HeadWeights(identity[None], torch.stack([apply_random_head(identity, mean, deviation, s) for s in seeds]))
