"""The bundled model's heads against its own modules, as transformers loads them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from maps.heads.top_targets import highest
from tests.bundled_modules import bundled_modules
from tests.families import own_first_mlp, own_output
from tests.plain_bundled import bundled

pytestmark = pytest.mark.long
TOKENS = torch.arange(11, 49_152, 400)


@pytest.fixture(scope="module")
def model() -> Any:
    """The bundled model in float64."""
    return bundled_modules().double()


@pytest.fixture(scope="module")
def through(model: Any) -> Tensor:
    """What its first MLP makes of some tokens."""
    return own_first_mlp(model, TOKENS)


def test_the_first_mlp_is_the_models_own(through: Tensor) -> None:
    ours = bundled().through_mlp.exact(TOKENS)
    assert float(((ours - through).norm(dim=1) / through.norm(dim=1)).max()) < 1e-5


@pytest.mark.parametrize("layer", range(30))
@torch.no_grad()
def test_heads_write_and_promote_what_the_models_own_attention_does(layer: int, model: Any, through: Tensor) -> None:
    shared = bundled()
    heads = shared.layer(layer).exact
    rows = through if layer else model.get_input_embeddings().weight[TOKENS]
    unembedding = model.get_output_embeddings().weight
    for head in range(9):
        own = own_output(model, layer, head, rows)
        ours = heads.written(shared.layer(layer).sources.exact(TOKENS), head)
        assert float(((ours - own).norm(dim=1) / own.norm(dim=1)).max()) < 1e-4
        scores = own @ unembedding.T
        found, _ = highest(ours, 5, shared.columns)
        near = 1e-4 * float(scores.abs().max())
        torch.testing.assert_close(scores.gather(1, found.ids), scores.topk(5, dim=1).values, rtol=1e-4, atol=near)
        torch.testing.assert_close(found.scores, scores.topk(5, dim=1).values, rtol=1e-4, atol=near)
