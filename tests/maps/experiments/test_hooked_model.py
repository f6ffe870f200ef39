"""The engine: the model runs as if nobody watched, and what is read or removed is what the model's own modules do."""

from __future__ import annotations

import json
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
from tests.families import FAMILY_MODELS, FAST_FAMILIES, BuiltOnce, build_model, model_blocks, model_body
from tests.sampling import sampled
from tests.small_models import VOCABULARY_SIZE, WORDS, SmallModel, random_weights, save_model_folder

IDS = torch.tensor([[5, 6, 7, 301, 40, 2], [5, 6, 7, 22, 310, 9], [5, 6, 7, 30, 31, 32]])
SUBJECTS = torch.tensor([3, 4, 5])
NO_NORM = "olmo2"  # its attention reads the residual stream as it is


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HookedModel]:
    """Every family's small model, as transformers runs it beside what MAPS reads."""

    def open_family(family: str) -> HookedModel:
        folder = tmp_path_factory.mktemp("families") / family
        build_model(family, folder)
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
        return HookedModel.open(Model.open(str(folder)))

    return BuiltOnce(open_family)


def bias_of_values(running: HookedModel, layer: int) -> Tensor:
    """The value bias of a layer, of each value head: (KV, d_h)."""
    s, names = running.model.shape, ("v_proj.bias", "c_attn.bias", "query_key_value.bias")
    parameters = running.blocks[layer].named_parameters()
    bias = next((each for name, each in parameters if name.endswith(names)), None)
    if bias is None:
        return torch.zeros(s.kv_heads, s.head_width)
    if s.architecture == "gpt_neox":
        return bias.detach().view(s.heads, 3, s.head_width)[:, 2]
    return bias.detach()[-s.kv_heads * s.head_width :].view(s.kv_heads, s.head_width)


def first_norm(running: HookedModel) -> nn.Module:
    """What stands before the first block's attention."""
    block: Any = running.blocks[0]
    if running.model.shape.architecture == NO_NORM:
        return nn.Identity()
    found: nn.Module = getattr(block, "ln_1", None) or block.input_layernorm
    return found


@pytest.mark.parametrize("family", sampled(FAMILY_MODELS, FAST_FAMILIES))
def test_the_taps_change_nothing(family: str, opened: dict[str, HookedModel]) -> None:
    running = opened[family]
    with torch.no_grad():
        whole = running.network(input_ids=IDS).logits[:, -1]
    plain = running.run(IDS).logits
    with running.record_head_inputs() as taken:
        tapped = running.run(IDS).logits
    assert torch.equal(plain, tapped)
    assert len(taken) == running.model.shape.layers
    torch.testing.assert_close(tapped[:, -1], whole, rtol=1e-4, atol=1e-4)
    LastPosition.prepare(running, IDS).next_tokens_after_removals([HeadId(0, 1)])
    assert torch.equal(running.run(IDS).logits, plain)  # and none of them stays


@pytest.mark.parametrize("family", sampled(FAMILY_MODELS, FAST_FAMILIES))
def test_the_heads_outputs_are_together_what_attention_writes(family: str, opened: dict[str, HookedModel]) -> None:
    running, written = opened[family], []
    hooks = [
        each.register_forward_hook(lambda _m, _g, out: written.append(out[:, -1]))
        for each in running.output_projections
    ]
    running.run(IDS)
    for hook in hooks:
        hook.remove()
    read = running.read_heads(IDS, SUBJECTS)
    for layer, own in enumerate(written):
        bias = running.output_projections[layer].bias
        ours = torch.einsum("nhi,hid->nd", read.with_context[layer].double(), running.output_weights(layer))
        wanted = own.double() - (0 if bias is None else bias.double())
        torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", sampled(FAMILY_MODELS, FAST_FAMILIES))
def test_without_context_layer_0_is_the_formula_with_the_value_bias(
    family: str, opened: dict[str, HookedModel]
) -> None:
    running = opened[family]
    s, words = running.model.shape, IDS[torch.arange(3), SUBJECTS]
    embedded = running.network.get_input_embeddings()(words)
    positions = getattr(model_body(running.network), "wpe", None)
    with torch.no_grad():
        rows = first_norm(running)(embedded if positions is None else embedded + positions(SUBJECTS)).double()
    heads = running.model.layer(0).exact_heads
    read = running.read_heads(IDS, SUBJECTS).without_context[0].double()  # (n, KV, d_h)
    unembedding = running.model.checkpoint.unembedding(running.model.embedding).double()
    for head in range(s.heads):
        kv = head // heads.group_size
        value = rows @ heads.values[kv] + bias_of_values(running, 0)[kv].double()
        wanted = value @ heads.outputs[head] @ unembedding.T
        ours = read[:, kv] @ running.output_weights(0)[head] @ unembedding.T
        torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", sampled(FAMILY_MODELS, FAST_FAMILIES))
def test_where_the_prompt_is_the_subject_alone_context_changes_nothing(
    family: str, opened: dict[str, HookedModel]
) -> None:
    running = opened[family]
    read = running.read_heads(IDS[:, 3:4], torch.zeros(3, dtype=torch.long))
    alone = read.without_context.repeat_interleave(running.model.shape.heads // running.model.shape.kv_heads, 2)
    torch.testing.assert_close(read.with_context, alone, rtol=1e-5, atol=1e-6)


def plainly_removed(running: HookedModel, heads: list[HeadId]) -> Tensor:
    """The next token by one whole pass in which these heads give nothing at the last position."""

    def without(layer: int) -> Any:
        def hook(_module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor]:
            z = given[0].clone()
            for _, head in (each for each in heads if each.layer == layer):
                z[:, -1].unflatten(1, (running.model.shape.heads, -1))[:, head] = 0
            return (z,)

        return hook

    hooks = [each.register_forward_pre_hook(without(layer)) for layer, each in enumerate(running.output_projections)]
    with torch.no_grad():
        said = running.network(input_ids=IDS).logits[:, -1, :VOCABULARY_SIZE].argmax(1)
    for hook in hooks:
        hook.remove()
    return said


@pytest.mark.parametrize("family", sampled(FAMILY_MODELS, FAST_FAMILIES))
def test_heads_removed_one_by_one_are_what_whole_passes_without_them_say(
    family: str, opened: dict[str, HookedModel]
) -> None:
    running, last = opened[family], opened[family].model.shape.layers - 1
    order = [HeadId(*x) for x in ((last, 2), (last, 0), (1, 3), (last, 1), (0, 0), (1, 1), (0, 2))]
    prompts = LastPosition.prepare(running, IDS)
    for removed in (order, order[:1], []):
        wanted = torch.stack([plainly_removed(running, removed[:i]) for i in range(len(removed) + 1)])
        assert torch.equal(prompts.next_tokens_after_removals(removed), wanted)
        for targets in wanted:
            assert torch.equal(prompts.is_correct_after_removals(removed, targets), wanted == targets)
    assert len(torch.unique(prompts.next_tokens_after_removals(order), dim=0)) > 2


def test_a_hubs_or_folders_weights_are_those_that_maps_reads(opened: dict[str, HookedModel]) -> None:
    running = opened["llama"]
    weight = running.output_projections[0].weight
    with torch.no_grad():
        weight[0, 0] += 1
    try:
        with pytest.raises(MapsError, match=r"^transformers loads other weights of llama than those that MAPS reads; "):
            running.check_weights()
    finally:
        with torch.no_grad():
            weight[0, 0] -= 1


def test_blocks_are_the_models_own(opened: dict[str, HookedModel]) -> None:
    assert all(list(model_blocks(running.network)) == running.blocks for running in opened.values())


def test_subjects_are_found_in_their_prompts_and_unreadable_ones_counted(opened: dict[str, HookedModel]) -> None:
    running = opened["llama"]
    found = FilledPrompts.from_template(running, "see ⟨s⟩ now", ["amber", "basket", "zz"])
    tokens = running.model.vocabulary.tokens
    assert found.unread_pairs == 0
    assert [tokens[prompt.ids[prompt.subject_end]] for prompt in found.prompts] == [" amber", " basket", "z"]
    batches = list(found.batches(torch.device("cpu")))
    assert [(batch.pair_indices.tolist(), batch.ids.shape[1]) for batch in batches] == [([0, 1], 7), ([2], 9)]
    merged = FilledPrompts.from_template(running, "see ⟨s⟩r", ["ambe", "basket"])  # "amber" is one token
    assert ([prompt.pair_index for prompt in merged.prompts], merged.unread_pairs) == ([1], 1)


def test_pairs_are_spoken_once_single_or_longer(opened: dict[str, HookedModel]) -> None:
    model = opened["llama"].model
    known = model.vocabulary
    amber, candle = known.single_token_ids(["amber", "candle"])
    longer = (("zz", "amber"), ("zz ", "amber"), ("amber", "zz"))
    relation = Relation("r", "", (("amber", "candle"), ("amber ", "candle"), *longer))
    assert single_token_pairs(model, select_usable_pairs(relation, known.single_token_ids, 1)) == [
        PromptPair("amber", candle or 0)
    ]
    assert multi_token_pairs(model, relation) == [PromptPair("zz", amber or 0)]


def test_a_tokenizer_that_splits_otherwise_is_refused(tmp_path: Path) -> None:
    small = SmallModel()
    folder = save_model_folder(tmp_path / "small", small, random_weights(small))
    running = HookedModel.open(Model.open(str(folder)))
    assert running.encode(WORDS)[0] == []
    changed = HookedModel(running.model, running.network, lambda texts: SimpleNamespace(input_ids=[[1]] * len(texts)))
    with pytest.raises(
        MapsError, match=r"^The tokenizer that transformers loads for small splits 'amber' in another way "
    ):
        changed.encode(["amber"])
