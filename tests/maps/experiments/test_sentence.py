"""A head on a sentence: what is read of the run equals transformers' own outputs, and predictions the plain formula."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from maps.errors import MapsError, NotRunnableError
from maps.experiments.bundled_network import network_config, open_bundled_network
from maps.experiments.hooked_model import HookedModel
from maps.experiments.sentence import highest_tokens, run_layer, run_sentence
from maps.experiments.sentence_results import COMPARED_TARGETS, SentenceQuestion
from maps.heads.top_targets import find_highest_targets
from maps.mapping.model import Model
from maps.types import HeadId
from maps.weights.bundled import BUNDLED_MODEL
from maps.weights.gguf_file import GgufFile
from tests.families import FAST_FAMILIES, RUN_MODELS, BuiltOnce, block_attention, remove_sinks
from tests.hooked_models import open_family
from tests.sampling import sampled
from tests.small_models import VOCABULARY_SIZE, SmallModel, random_weights, save_gguf, save_model_folder

IDS = torch.tensor([[5, 6, 7, 301, 40, 2]])
TEXT = " amber basket amber candle"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HookedModel]:
    """Every family's small model."""
    return BuiltOnce(lambda family: open_family(family, tmp_path_factory.mktemp("families") / family))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> HookedModel:
    """A small model of the Llama family with a tokenizer that knows words."""
    made = SmallModel()
    return HookedModel.open(
        Model.open(str(save_model_folder(tmp_path_factory.mktemp("small") / "small", made, random_weights(made))))
    )


@pytest.mark.parametrize("family", sampled(RUN_MODELS, FAST_FAMILIES))
def test_attention_is_what_transformers_computes_and_weights_the_values_into_what_the_heads_write(
    family: str, opened: dict[str, HookedModel]
) -> None:
    hooked_model = opened[family]
    shape = hooked_model.model.shape
    with torch.no_grad():
        attentions = hooked_model.network(input_ids=IDS, output_attentions=True).attentions
    for block in hooked_model.blocks:
        remove_sinks(block_attention(block))
    for layer in range(shape.layers):
        written: list[Tensor] = []
        projection = hooked_model.output_projections[layer]
        hook = projection.register_forward_hook(lambda _m, _g, out, kept=written: kept.append(out))
        run = run_layer(hooked_model, layer, IDS)
        hook.remove()
        assert run.weights.shape == (1, shape.heads, 6, 6)
        if family != "gpt_oss":  # its sinks were removed
            torch.testing.assert_close(run.weights, attentions[layer], rtol=1e-4, atol=1e-5)
        read = torch.einsum("nhij,nhjd->nihd", run.weights, run.values)
        torch.testing.assert_close(read, run.inputs, rtol=1e-4, atol=1e-4)
        total = torch.einsum("nihd,hde->nie", run.inputs.double(), hooked_model.output_weights(layer))
        bias = 0 if projection.bias is None else projection.bias.double()
        torch.testing.assert_close(total, written[0].double() - bias, rtol=1e-4, atol=1e-4)


def test_a_head_on_a_sentence_equals_the_plain_formula(small: HookedModel) -> None:
    model, head = small.model, HeadId(1, 2)
    found = run_sentence(small, SentenceQuestion(head, TEXT))
    ids = model.vocabulary.tokenizer.encode(TEXT, add_special_tokens=False).ids
    run = run_layer(small, 1, torch.tensor([ids]))
    outputs = model.checkpoint.output_weights(1)[2].double()
    unembedding = model.checkpoint.unembedding(model.embedding).double()
    made = (run.values[0, 2].double() @ outputs).norm(dim=1)
    scores = run.inputs[0, :, 2].double() @ outputs @ unembedding.T
    values = model.checkpoint.value_weights(1).double()
    rows = model.layer(1).sources.exact_rows(torch.tensor(ids))
    assert (found.head, found.vocabulary, len(found.positions)) == (head, VOCABULARY_SIZE, 4)
    for i, each in enumerate(found.positions):
        weights = run.weights[0, 2, i].double()
        taken = int((weights * made).argmax())
        assert each.weights == pytest.approx(weights[: i + 1].tolist(), abs=1e-6)
        assert (each.token.id, each.read, each.taken) == (ids[i], int(weights.argmax()), taken)
        assert each.length == pytest.approx(float((run.inputs[0, i, 2].double() @ outputs).norm()), rel=1e-5)
        assert [token.id for token in each.written] == scores[i].topk(COMPARED_TARGETS).indices.tolist()
        by_head = []
        for other in range(4):
            written = rows[taken] @ values[other // 2] @ model.checkpoint.output_weights(1)[other].double()
            by_head.append(find_highest_targets(written[None], COMPARED_TARGETS, model.unembedding)[0].ids[0].tolist())
        common = [len({token.id for token in each.written} & set(targets)) for targets in by_head]
        assert [token.id for token in each.predicted] == by_head[2]
        assert each.common == common[2]
        assert each.common_of_others == pytest.approx((sum(common) - common[2]) / 3)
    assert found.mean_common == sum(each.common for each in found.positions) / 4
    assert found.positions[0].weights == (1.0,)


def test_what_cannot_be_run_is_refused_in_a_sentence(small: HookedModel) -> None:
    for text, reason in (
        ("", "Type a sentence."),
        (" amber" * 65, "The sentence has 65 tokens; the limit is 64. Type a shorter one."),
    ):
        with pytest.raises(MapsError, match=f"^{reason}$"):
            run_sentence(small, SentenceQuestion(HeadId(0, 0), text))
    with pytest.raises(MapsError, match="has no head L9H0"):
        run_sentence(small, SentenceQuestion(HeadId(9, 0), TEXT))


def test_many_rows_at_once_and_one_by_one_have_the_same_targets(small: HookedModel) -> None:
    writes = torch.randn(300, small.model.shape.width, generator=torch.Generator().manual_seed(1)).double()
    assert highest_tokens(small.model, writes)[:5] == highest_tokens(small.model, writes[:5])


@pytest.mark.slow
def test_the_bundled_network_has_the_weights_and_the_outputs_of_the_one_that_transformers_loads() -> None:
    model = Model.open(BUNDLED_MODEL)
    ours, theirs = open_bundled_network(model), HookedModel.open(model)
    own, other = ours.network.state_dict(), theirs.network.state_dict()
    assert own.keys() == other.keys()
    assert [name for name, tensor in own.items() if not torch.equal(tensor, other[name])] == []
    ids = torch.tensor([[504, 3575, 282, 4649, 314, *range(2000, 2059)]])
    assert torch.equal(ours.run(ids).logits, theirs.run(ids).logits)
    assert all(
        torch.equal(some, others)
        for some, others in zip(ours.run_attention(ids), theirs.run_attention(ids), strict=True)
    )
    texts = ["The capital of France is Paris.", "naïve <|im_start|> 東京", " \n\tx"]
    assert ours.encode(texts) == theirs.encode(texts)
    assert ours.tokenizer(texts).input_ids == theirs.tokenizer(texts).input_ids
    source = model.checkpoint.source
    assert isinstance(source, GgufFile)
    made, read = network_config(model.checkpoint, source).to_dict(), theirs.network.config.to_dict()
    told_apart = {name for name in {*made, *read} if made.get(name) != read.get(name)}
    origin = {"quantization_config", "_name_or_path", "_model_name_or_path"}
    assert told_apart <= origin | {"pad_token_id", "unk_token_id", "dtype", "use_cache"}


def test_only_the_bundled_kind_of_model_is_built_from_our_weights(small: HookedModel, tmp_path: Path) -> None:
    untied = SmallModel()
    for model in (small.model, Model.open(str(save_gguf(tmp_path / "small.gguf", untied, random_weights(untied))))):
        with pytest.raises(NotRunnableError, match="is not the bundled model"):
            open_bundled_network(model)


@pytest.mark.slow
def test_a_known_head_reads_the_country_and_writes_what_its_weights_predict() -> None:
    hooked_model = open_bundled_network(Model.open(BUNDLED_MODEL))
    found = run_sentence(hooked_model, SentenceQuestion(HeadId(23, 4), "The capital of France is"))
    last = found.positions[-1]
    assert found.positions[last.read].token.string == " France"
    assert last.read == last.taken
    assert last.weights[last.read] > 0.8
    assert last.common >= 3
    assert last.common_of_others is not None
    assert last.common > last.common_of_others
