"""The bundled model's heads against its own modules, as transformers loads them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from maps.heads.top_targets import find_highest_targets
from tests.bundled_modules import load_bundled_modules
from tests.families import run_own_first_mlp, run_own_head
from tests.plain_bundled import open_bundled_model

pytestmark = pytest.mark.long
TOKENS = torch.arange(11, 49_152, 400)


@pytest.fixture(scope="module")
def model() -> Any:
    """The bundled model in float64."""
    return load_bundled_modules().double()


@pytest.fixture(scope="module")
def through(model: Any) -> Tensor:
    """What its first MLP makes of some tokens."""
    return run_own_first_mlp(model, TOKENS)


def test_the_first_mlp_is_the_models_own(through: Tensor) -> None:
    ours = open_bundled_model().mlp_rows.exact_rows(TOKENS)
    assert float(((ours - through).norm(dim=1) / through.norm(dim=1)).max()) < 1e-5


@pytest.mark.parametrize("layer", range(30))
@torch.no_grad()
def test_heads_write_and_promote_what_the_models_own_attention_does(layer: int, model: Any, through: Tensor) -> None:
    shared = open_bundled_model()
    heads = shared.layer(layer).exact_heads
    rows = through if layer else model.get_input_embeddings().weight[TOKENS]
    unembedding = model.get_output_embeddings().weight
    for head in range(9):
        own = run_own_head(model, layer, head, rows)
        ours = heads.head_output(shared.layer(layer).sources.exact_rows(TOKENS), head)
        assert float(((ours - own).norm(dim=1) / own.norm(dim=1)).max()) < 1e-4
        scores = own @ unembedding.T
        found, _ = find_highest_targets(ours, 5, shared.unembedding)
        near = 1e-4 * float(scores.abs().max())
        torch.testing.assert_close(scores.gather(1, found.ids), scores.topk(5, dim=1).values, rtol=1e-4, atol=near)
        torch.testing.assert_close(found.scores, scores.topk(5, dim=1).values, rtol=1e-4, atol=near)
