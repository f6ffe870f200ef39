"""Hooks do not change the model; the reads and removals equal what the model's own modules compute."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from maps.errors import MapsError
from maps.experiments.ablation import LastPosition
from maps.experiments.hooked_model import HookedModel
from maps.experiments.prompts import FilledPrompts, PromptPair, multi_token_pairs, single_token_pairs
from maps.heads.relation_scores import select_usable_pairs
from maps.mapping.model import Model
from maps.types import HeadId, Relation
from tests.families import (
    FAST_FAMILIES,
    RUN_MODELS,
    BuiltOnce,
    block_attention,
    model_blocks,
    remove_sinks,
    run_own_input_norm,
)
from tests.hooked_models import bias_of_values, open_family
from tests.sampling import sampled
from tests.small_models import VOCABULARY_SIZE, WORDS, SmallModel, random_weights, save_model_folder

IDS = torch.tensor([[5, 6, 7, 301, 40, 2], [5, 6, 7, 22, 310, 9], [5, 6, 7, 30, 31, 32]])
SUBJECTS = torch.tensor([3, 4, 5])


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HookedModel]:
    """Every family's small model."""

    return BuiltOnce(lambda family: open_family(family, tmp_path_factory.mktemp("families") / family))


@pytest.mark.parametrize("family", sampled(RUN_MODELS, FAST_FAMILIES))
def test_the_hooks_change_nothing(family: str, opened: dict[str, HookedModel]) -> None:
    hooked_model = opened[family]
    with torch.no_grad():
        whole = hooked_model.network(input_ids=IDS).logits[:, -1]
    plain = hooked_model.run(IDS).logits
    with hooked_model.record_head_inputs() as inputs:
        tapped = hooked_model.run(IDS).logits
    assert torch.equal(plain, tapped)
    assert len(inputs) == hooked_model.model.shape.layers
    torch.testing.assert_close(tapped[:, -1], whole, rtol=1e-4, atol=1e-4)
    LastPosition.prepare(hooked_model, IDS).next_tokens_after_removals([HeadId(0, 1)])
    assert torch.equal(hooked_model.run(IDS).logits, plain)  # and none of them stays


@pytest.mark.parametrize("family", sampled(RUN_MODELS, FAST_FAMILIES))
def test_the_heads_outputs_add_up_to_what_attention_writes(family: str, opened: dict[str, HookedModel]) -> None:
    hooked_model, written = opened[family], []
    hooks = [
        each.register_forward_hook(lambda _m, _g, out: written.append(out[:, -1]))
        for each in hooked_model.output_projections
    ]
    hooked_model.run(IDS)
    for hook in hooks:
        hook.remove()
    read = hooked_model.read_heads(IDS, SUBJECTS)
    for layer, own in enumerate(written):
        bias = hooked_model.output_projections[layer].bias
        computed = torch.einsum("nhi,hid->nd", read.with_context[layer].double(), hooked_model.output_weights(layer))
        expected = own.double() - (0 if bias is None else bias.double())
        torch.testing.assert_close(computed, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", sampled(RUN_MODELS, FAST_FAMILIES))
def test_without_context_layer_0_is_the_formula_with_the_value_bias(
    family: str, opened: dict[str, HookedModel]
) -> None:
    hooked_model = opened[family]
    s = hooked_model.model.shape
    streams: list[Tensor] = []
    hook = hooked_model.blocks[0].register_forward_pre_hook(lambda _module, given: streams.append(given[0]))
    hooked_model.run(IDS)
    hook.remove()
    rows = run_own_input_norm(hooked_model.network, 0, streams[0][torch.arange(3), SUBJECTS]).double()
    heads = hooked_model.model.layer(0).exact_heads
    read = hooked_model.read_heads(IDS, SUBJECTS).without_context[0].double()  # (n, KV, d_h)
    unembedding = hooked_model.model.checkpoint.unembedding(hooked_model.model.embedding).double()
    for head in range(s.heads):
        kv = head // heads.group_size
        value = rows @ heads.values[kv] + bias_of_values(hooked_model, 0)[kv].double()
        expected = value @ heads.outputs[head] @ unembedding.T
        computed = read[:, kv] @ hooked_model.output_weights(0)[head] @ unembedding.T
        torch.testing.assert_close(computed, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", sampled(RUN_MODELS, FAST_FAMILIES))
def test_where_the_prompt_is_the_subject_alone_context_changes_nothing(
    family: str, opened: dict[str, HookedModel]
) -> None:
    hooked_model = opened[family]
    for block in hooked_model.blocks:
        remove_sinks(block_attention(block))
    read = hooked_model.read_heads(IDS[:, 3:4], torch.zeros(3, dtype=torch.long))
    alone = read.without_context.repeat_interleave(
        hooked_model.model.shape.heads // hooked_model.model.shape.kv_heads, 2
    )
    torch.testing.assert_close(read.with_context, alone, rtol=1e-5, atol=1e-6)


def next_tokens_without(hooked_model: HookedModel, heads: list[HeadId]) -> Tensor:
    """The next tokens of one whole pass with these heads zeroed at the last position."""

    def without(layer: int) -> Any:
        def hook(_module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor]:
            z = given[0].clone()
            for _, head in (each for each in heads if each.layer == layer):
                z[:, -1].unflatten(1, (hooked_model.model.shape.heads, -1))[:, head] = 0
            return (z,)

        return hook

    hooks = [
        each.register_forward_pre_hook(without(layer)) for layer, each in enumerate(hooked_model.output_projections)
    ]
    with torch.no_grad():
        next_tokens = hooked_model.network(input_ids=IDS).logits[:, -1, :VOCABULARY_SIZE].argmax(1)
    for hook in hooks:
        hook.remove()
    return next_tokens


@pytest.mark.transformers
@pytest.mark.parametrize("family", sampled(RUN_MODELS, FAST_FAMILIES))
def test_removing_heads_gives_the_same_tokens_as_whole_passes_without_them(
    family: str, opened: dict[str, HookedModel]
) -> None:
    hooked_model, last = opened[family], opened[family].model.shape.layers - 1
    order = [HeadId(*x) for x in ((last, 2), (last, 0), (1, 3), (last, 1), (0, 0), (1, 1), (0, 2))]
    prompts = LastPosition.prepare(hooked_model, IDS)
    for removed in (order, order[:1], []):
        expected = torch.stack([next_tokens_without(hooked_model, removed[:i]) for i in range(len(removed) + 1)])
        assert torch.equal(prompts.next_tokens_after_removals(removed), expected)
        for targets in expected:
            assert torch.equal(prompts.is_correct_after_removals(removed, targets), expected == targets)
    assert len(torch.unique(prompts.next_tokens_after_removals(order), dim=0)) > 2


def test_a_hubs_or_folders_weights_are_those_that_maps_reads(opened: dict[str, HookedModel]) -> None:
    hooked_model = opened["llama"]
    weight = hooked_model.output_projections[0].weight
    with torch.no_grad():
        weight[0, 0] += 1
    try:
        with pytest.raises(MapsError, match=r"^transformers loads other weights of llama than those that MAPS reads; "):
            hooked_model.check_weights()
    finally:
        with torch.no_grad():
            weight[0, 0] -= 1


def test_blocks_are_the_models_own(opened: dict[str, HookedModel]) -> None:
    assert all(list(model_blocks(hooked_model.network)) == hooked_model.blocks for hooked_model in opened.values())


def test_subjects_are_found_in_their_prompts_and_unreadable_ones_counted(opened: dict[str, HookedModel]) -> None:
    hooked_model = opened["llama"]
    filled = FilledPrompts.from_template(hooked_model, "see ⟨s⟩ now", ["amber", "basket", "zz"])
    tokens = hooked_model.model.vocabulary.tokens
    assert filled.unread_pairs == 0
    assert [tokens[prompt.ids[prompt.subject_end]] for prompt in filled.prompts] == [" amber", " basket", "z"]
    batches = list(filled.batches(torch.device("cpu")))
    assert [(batch.pair_indices.tolist(), batch.ids.shape[1]) for batch in batches] == [([0, 1], 7), ([2], 9)]
    merged = FilledPrompts.from_template(hooked_model, "see ⟨s⟩r", ["ambe", "basket"])  # "amber" is one token
    assert ([prompt.pair_index for prompt in merged.prompts], merged.unread_pairs) == ([1], 1)


def test_each_pair_of_single_or_longer_sources_comes_once(opened: dict[str, HookedModel]) -> None:
    model = opened["llama"].model
    known = model.vocabulary
    amber, candle = known.single_token_ids(["amber", "candle"])
    longer = (("zz", "amber"), ("zz ", "amber"), ("amber", "zz"))
    relation = Relation("r", "", (("amber", "candle"), ("amber ", "candle"), *longer))
    assert single_token_pairs(model, select_usable_pairs(relation, known.single_token_ids, 1)) == [
        PromptPair("amber", candle or 0)
    ]
    assert multi_token_pairs(model, relation) == [PromptPair("zz", amber or 0)]


def test_a_tokenizer_that_splits_differently_is_refused(tmp_path: Path) -> None:
    small = SmallModel()
    folder = save_model_folder(tmp_path / "small", small, random_weights(small))
    hooked_model = HookedModel.open(Model.open(str(folder)))
    assert hooked_model.encode(WORDS)[0] == []
    changed = HookedModel(
        hooked_model.model, hooked_model.network, lambda texts: SimpleNamespace(input_ids=[[1]] * len(texts))
    )
    with pytest.raises(
        MapsError, match=r"^The tokenizer that transformers loads for small splits 'amber' in another way "
    ):
        changed.encode(["amber"])
