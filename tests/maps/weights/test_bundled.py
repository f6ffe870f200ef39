"""Two heads of the bundled model by the plain formula in float64; the others in tests/long."""

from __future__ import annotations

import pytest
import torch

from maps.heads.eight_bit import RoundedRows, has_fast_int8
from maps.heads.output_space import best_targets, random_rotation, read_sources_exactly, unit_targets
from maps.heads.target_side import TargetSide
from tests.plain_bundled import PlainHead, check_layer, open_bundled_model


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "head"), [pytest.param(0, 4, marks=pytest.mark.long), (26, 2)])
def test_a_head_of_the_bundled_model_is_what_the_formula_says(layer: int, head: int) -> None:
    assert check_layer(layer, range(head, head + 1)) > 0


@pytest.mark.slow
def test_best_targets_of_the_bundled_model_are_those_of_the_formula() -> None:
    shared = open_bundled_model()
    ours = shared.layer(19)
    sources, heads = ours.sources, ours.exact_heads
    turn = random_rotation(64, heads.values)
    weights = heads.values[0] @ turn
    read = RoundedRows.from_exact(torch.cat([block.double() @ weights for _, block in sources.blocks()]))
    drift = sources.error_bounds * float(torch.linalg.matrix_norm(weights, 2)) / read.lengths
    targets = unit_targets(shared.unembedding, heads.outputs[1:2], turn, TargetSide())[0]
    screened = has_fast_int8(torch.device("cpu"))
    best = best_targets(read, targets, drift, lambda ids: read_sources_exactly(sources, weights, ids), screened)
    some = torch.arange(5, len(sources), 31)
    assert torch.equal(best[some], PlainHead.from_weights(heads, 19, 1).best_targets(some))
