"""Every head of the bundled model by the plain formula in float64: ten to fifteen minutes on one core."""

from __future__ import annotations

import pytest
import torch

from maps.heads.circuit import Heads
from maps.heads.output_space import output_spaces
from tests.plain_bundled import PlainHead, bundled, check_layer

pytestmark = pytest.mark.long


@pytest.mark.parametrize("layer", range(30))
def test_hits_salient_tokens_and_targets_are_those_of_the_formula(layer: int) -> None:
    assert check_layer(layer, range(9)) > 0


@pytest.mark.parametrize("layer", [0, 5, 11, 19, 25, 28])
@pytest.mark.parametrize("kv_head", [0, 2])
def test_output_space_is_that_of_the_formula(layer: int, kv_head: int) -> None:
    """All 49,152 sources and targets of two heads of a group, and of the last ones of another."""
    shared = bundled()
    heads = shared.layer(layer).exact
    chosen = [3 * kv_head + kv_head // 2, 3 * kv_head + 2]
    group = Heads(heads.values[kv_head : kv_head + 1], heads.outputs[chosen])
    found = output_spaces(shared.layer(layer).sources, group, shared.columns)
    everyone = torch.arange(len(shared.columns))
    best = [PlainHead.of(heads, layer, head).best_of_all(everyone) for head in chosen]
    assert found == [len(each.unique()) / len(everyone) for each in best]
