"""Output spaces of the bundled model by the plain formula in float64: ten minutes on one core."""

from __future__ import annotations

import pytest
import torch

from maps.heads.circuit import HeadWeights
from maps.heads.output_space import output_space_sizes
from tests.plain_bundled import PlainHead, open_bundled_model

pytestmark = pytest.mark.long


@pytest.mark.parametrize("layer", [0, 11, 28])
@pytest.mark.parametrize("kv_head", [0, 2])
def test_output_space_is_that_of_the_formula(layer: int, kv_head: int) -> None:
    """All 49,152 sources and targets of two heads of a group, and of the last ones of another."""
    shared = open_bundled_model()
    heads = shared.layer(layer).exact_heads
    chosen = [3 * kv_head + kv_head // 2, 3 * kv_head + 2]
    group = HeadWeights(heads.values[kv_head : kv_head + 1], heads.outputs[chosen])
    found = output_space_sizes(shared.layer(layer).sources, group, shared.unembedding)
    everyone = torch.arange(len(shared.unembedding))
    best = [PlainHead.from_weights(heads, layer, head).best_targets(everyone) for head in chosen]
    assert found == [len(each.unique()) / len(everyone) for each in best]
