"""The streams that readings are fitted to and judged by, beside what the model's own modules compute."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from maps.experiments.hooked_model import HookedModel
from maps.experiments.streams import evaluation_count, read_streams, token_order
from maps.heads.average_block import AverageAttention
from tests.families import ALL_MODELS, FAST_FAMILIES, BuiltOnce, final_norm
from tests.hooked_models import bias_of_values, open_family
from tests.sampling import sampled

pytestmark = pytest.mark.transformers
RUN = [name for name, model in ALL_MODELS.items() if model.head_layers is None and model.is_run]
PREFIX, TOKENS = [5, 6, 7, 301], torch.tensor([40, 2, 9, 310])


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HookedModel]:
    """Every family's small model."""
    return BuiltOnce(lambda family: open_family(family, tmp_path_factory.mktemp("streams") / family))


@pytest.mark.parametrize("family", sampled(RUN, FAST_FAMILIES))
def test_streams_are_the_models_own_hidden_states(family: str, opened: dict[str, HookedModel]) -> None:
    hooked_model = opened[family]
    ids = torch.cat([torch.tensor(PREFIX).expand(len(TOKENS), -1), TOKENS[:, None]], 1)
    found: list[torch.Tensor] = []
    hooks = [
        block.register_forward_pre_hook(lambda _m, given: found.append(given[0][:, -1]))
        for block in hooked_model.blocks
    ]
    with torch.no_grad():
        hooked_model.network(input_ids=ids)  # every prompt whole, without a cache
    for hook in hooks:
        hook.remove()
    streams = read_streams(hooked_model, PREFIX, TOKENS).layers
    torch.testing.assert_close(streams[:-1], torch.stack(found), rtol=1e-4, atol=1e-4)
    config = hooked_model.network.config.get_text_config()
    with torch.no_grad():
        logits = hooked_model.network.get_output_embeddings()(final_norm(hooked_model.network)(streams[-1]))
        logits = logits * getattr(config, "logit_scale", 1) / getattr(config, "logits_scaling", 1)
        capped = getattr(config, "final_logit_softcapping", None)
        wanted = hooked_model.network(input_ids=ids).logits[:, -1]
    torch.testing.assert_close(
        logits if capped is None else capped * torch.tanh(logits / capped), wanted, rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("family", sampled(RUN, FAST_FAMILIES))
def test_attention_reads_the_stream_through_the_input_norm(family: str, opened: dict[str, HookedModel]) -> None:
    """norm(x) W_V is the value that the model itself computes, in every layer."""
    hooked_model = opened[family]
    model, streams = hooked_model.model, read_streams(hooked_model, PREFIX, TOKENS).layers
    ids = torch.cat([torch.tensor(PREFIX).expand(len(TOKENS), -1), TOKENS[:, None]], 1)
    values = hooked_model.read_heads(ids, torch.full((len(ids),), len(PREFIX))).without_context
    for layer in range(model.shape.layers):
        norm = model.checkpoint.input_norm(layer)
        assert (norm is not None) == ALL_MODELS[family].has_input_norm
        rows = streams[layer] if norm is None else norm.apply(streams[layer])
        bias = bias_of_values(hooked_model, layer)
        ours = torch.einsum("nd,kde->nke", rows, model.checkpoint.value_weights(layer)) + bias
        torch.testing.assert_close(ours, values[layer], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", sampled(RUN, FAST_FAMILIES))
def test_a_block_with_its_real_attention_gives_the_next_blocks_stream(
    family: str, opened: dict[str, HookedModel]
) -> None:
    """With what attention really added in the place of the average; in every family, parallel or with further norms."""
    hooked_model = opened[family]
    model, layers = hooked_model.model, range(2)
    streams = read_streams(hooked_model, PREFIX, TOKENS, len(layers))
    assert streams.is_parallel == ALL_MODELS[family].is_parallel
    nothing = AverageAttention(torch.zeros(model.shape.heads), torch.zeros(model.shape.width))
    for layer in layers:
        block = model.average_block(layer, nothing, streams.is_parallel)
        for row, added in enumerate(streams.attention[layer]):
            one = replace(block, constant=added).apply(streams.layers[layer, row : row + 1])
            torch.testing.assert_close(one[0], streams.layers[layer + 1, row], rtol=1e-3, atol=1e-3)


def test_an_average_block_adds_each_heads_own_write_by_its_share(opened: dict[str, HookedModel]) -> None:
    hooked_model = opened["llama"]
    model, layer = hooked_model.model, 1
    heads, own = model.read_heads(layer), torch.tensor([0.5, 0.0, -0.25, 1.0])
    block = model.average_block(layer, AverageAttention(own, torch.zeros(model.shape.width)), is_parallel=False)
    rows = read_streams(hooked_model, PREFIX, TOKENS).layers[layer].double()
    norm = model.checkpoint.input_norm(layer)
    assert norm is not None
    read = norm.apply(rows)
    writes = [
        read @ heads.values[head // heads.group_size].double() @ heads.outputs[head].double() for head in range(4)
    ]
    wanted = sum(share * write for share, write in zip(own.tolist(), writes, strict=True))
    torch.testing.assert_close(read @ block.own, wanted)


def test_tokens_of_the_evaluation_are_the_same_in_every_run_and_a_twentieth() -> None:
    order = token_order(1000)
    assert order.tolist() == token_order(1000).tolist()
    assert sorted(order.tolist()) == list(range(1000))
    assert (evaluation_count(1000), evaluation_count(5)) == (50, 1)
