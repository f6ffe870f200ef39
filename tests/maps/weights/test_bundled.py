"""Two heads of the bundled model by the plain formula in float64; the others in tests/long."""

from __future__ import annotations

import pytest
import torch

from maps.heads.eight_bit import Rows, eight_bits
from maps.heads.output_space import best_targets, read_exactly, rotation, unit_targets
from tests.plain_bundled import PlainHead, bundled, check_layer


@pytest.mark.parametrize(("layer", "head"), [pytest.param(0, 4, marks=pytest.mark.long), (26, 2)])
def test_a_head_of_the_bundled_model_is_what_the_formula_says(layer: int, head: int) -> None:
    assert check_layer(layer, range(head, head + 1)) > 0


def test_best_targets_of_the_bundled_model_are_those_of_the_formula() -> None:
    shared = bundled()
    ours = shared.layer(19)
    sources, heads = ours.sources, ours.exact
    turn = rotation(64, heads.values)
    weights = heads.values[0] @ turn
    read = Rows.of(torch.cat([block.double() @ weights for _, block in sources.blocks()]))
    drift = sources.off * float(torch.linalg.matrix_norm(weights, 2)) / read.lengths
    targets = unit_targets(shared.columns, heads.outputs[1:2], turn, None)[0]
    screened = eight_bits(torch.device("cpu"))
    found = best_targets(read, targets, drift, lambda ids: read_exactly(sources, weights, ids), screened)
    some = torch.arange(5, len(sources), 31)
    assert torch.equal(found[some], PlainHead.of(heads, 19, 1).best_of_all(some))
