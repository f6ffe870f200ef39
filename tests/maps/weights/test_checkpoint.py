"""What is read of a checkpoint, against the model's own attention and first MLP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from maps.errors import MapsError
from maps.heads.circuit import HeadWeights
from maps.heads.mlp import Mlp
from maps.weights.checkpoint import Checkpoint
from maps.weights.mlp_reader import read_mlp
from maps.weights.open import open_checkpoint
from maps.weights.shape import ModelShape
from tests.small_models import (
    VOCABULARY_SIZE,
    SmallModel,
    Weights,
    byte_level_tokenizer,
    random_weights,
    save_model_folder,
)

SHAPES = [
    SmallModel(layers=3),
    SmallModel(layers=2, heads=4, kv_heads=1, head_width=12, padding_rows=5),
    SmallModel(layers=2, heads=4, kv_heads=4, tied_embeddings=True),
]


def built(small: SmallModel, folder: Path) -> LlamaForCausalLM:
    """A model of transformers' own making, saved by transformers, in float64."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY_SIZE + small.padding_rows,
        hidden_size=small.width,
        intermediate_size=small.mlp_width,
        num_hidden_layers=small.layers,
        num_attention_heads=small.heads,
        num_key_value_heads=small.kv_heads,
        head_dim=small.head_width,
        tie_word_embeddings=small.tied_embeddings,
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config)
    model.train(False)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.data += 0.3 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    byte_level_tokenizer().save(str(folder / "tokenizer.json"))
    return model.double()


def own_output(model: LlamaForCausalLM, layer: int, head: int, row: Tensor) -> Tensor:
    """The model's attention output for one position, with only this head's columns of the output projection kept."""
    attention = model.model.layers[layer].self_attn
    original = attention.o_proj.weight.data.clone()
    mask = torch.zeros_like(original)
    width = attention.head_dim
    mask[:, head * width : (head + 1) * width] = 1
    attention.o_proj.weight.data = original * mask
    hidden = row[None, None]
    rotary = model.model.rotary_emb(hidden, torch.zeros(1, 1, dtype=torch.long))
    output: Tensor = attention(hidden, position_embeddings=rotary, attention_mask=None)[0]
    attention.o_proj.weight.data = original
    return output[0, 0]


@pytest.mark.parametrize("small", SHAPES)
@torch.no_grad()
def test_what_is_read_is_what_the_model_itself_computes_with(small: SmallModel, tmp_path: Path) -> None:
    model = built(small, tmp_path)
    checkpoint = open_checkpoint(str(tmp_path))
    embedding = checkpoint.embedding()
    assert torch.equal(embedding.double(), model.model.embed_tokens.weight[:VOCABULARY_SIZE])
    assert torch.equal(checkpoint.unembedding(embedding).double(), model.lm_head.weight[:VOCABULARY_SIZE])
    block = model.model.layers[0]
    own = block.mlp(block.post_attention_layernorm(embedding.double()))
    ours = read_mlp(checkpoint).to(torch.float64).apply(embedding.double())
    torch.testing.assert_close(ours, own, rtol=1e-4, atol=2e-5)  # the model norms in float32
    row = torch.randn(small.width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for layer in range(small.layers):
        heads = HeadWeights(checkpoint.value_weights(layer), checkpoint.output_weights(layer)).to_float64()
        assert (len(heads.values), len(heads.outputs)) == (small.kv_heads, small.heads)
        for head in range(small.heads):
            torch.testing.assert_close(
                heads.head_output(row[None], head)[0], own_output(model, layer, head, row), rtol=1e-9, atol=1e-9
            )


def opened(folder: Path, weights: Weights, small: SmallModel | None = None, **changes: object) -> Checkpoint:
    return open_checkpoint(str(save_model_folder(folder, small or SmallModel(), weights, **changes)))


def test_padding_rows_are_cut_off(tmp_path: Path) -> None:
    weights = random_weights(SmallModel(padding_rows=9))
    checkpoint = opened(tmp_path, weights, SmallModel(padding_rows=9))
    assert torch.equal(checkpoint.embedding(), weights["model.embed_tokens.weight"][:VOCABULARY_SIZE])
    assert torch.equal(checkpoint.unembedding(checkpoint.embedding()), weights["lm_head.weight"][:VOCABULARY_SIZE])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_embeddings_are_read_as_they_are_stored_and_the_rest_in_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    weights = {name: tensor.to(dtype) for name, tensor in random_weights(SmallModel()).items()}
    checkpoint = opened(tmp_path, weights)
    embedding = checkpoint.embedding()
    assert (embedding.dtype, checkpoint.unembedding(embedding).dtype) == (dtype, dtype)
    assert torch.equal(embedding, weights["model.embed_tokens.weight"])
    assert {
        x.dtype for x in (checkpoint.value_weights(1), checkpoint.output_weights(1), checkpoint.final_norm_gain())
    } == {torch.float32}
    mlp = read_mlp(checkpoint)
    assert isinstance(mlp, Mlp)
    assert mlp.up.dtype == torch.float32


def everything(checkpoint: Checkpoint) -> None:
    """Reads all that MAPS ever reads of a model of two layers."""
    checkpoint.unembedding(checkpoint.embedding())
    read_mlp(checkpoint)
    for layer in range(2):
        checkpoint.value_weights(layer)
        checkpoint.output_weights(layer)
        checkpoint.input_norm(layer)


def refusal(folder: Path, name: str, tensor: Tensor | None) -> str:
    """What is said where a tensor is exchanged, or missing."""
    weights = {key: value for key, value in random_weights(SmallModel()).items() if key != name}
    with pytest.raises(MapsError) as caught:
        everything(opened(folder / "small", weights if tensor is None else {**weights, name: tensor}))
    return str(caught.value)


LAYER = "model.layers.1.self_attn."


@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        (LAYER + "v_proj.weight", (15, 32), "has the shape (15, 32), but its configuration says (16, 32)."),
        (LAYER + "o_proj.weight", (32, 16), "has the shape (32, 16), but its configuration says (32, 32)."),
        ("model.embed_tokens.weight", (346, 31), "The embedding of small has the shape (346, 31); with 346 ids and"),
        ("model.embed_tokens.weight", (345, 32), "The embedding of small has the shape (345, 32); with 346 ids and"),
        ("model.embed_tokens.weight", (346 * 32,), "The embedding of small has the shape (11072,); with 346 ids and"),
        ("lm_head.weight", (300, 32), "The unembedding of small has the shape (300, 32); with 346 ids and"),
        ("model.layers.0.mlp.gate_proj.weight", (48, 31), "whose shapes do not fit its width 32."),
        ("model.layers.0.mlp.up_proj.weight", (47, 32), "whose shapes do not fit its width 32."),
        ("model.layers.0.mlp.down_proj.weight", (48, 32), "whose shapes do not fit its width 32."),
        ("model.layers.0.post_attention_layernorm.weight", (1,), "does not fit its width 32."),
        ("model.layers.1.input_layernorm.weight", (31,), "does not fit its width 32."),
    ],
)
def test_a_wrong_shape_is_refused_in_one_sentence(
    name: str, shape: tuple[int, ...], sentence: str, tmp_path: Path
) -> None:
    message = refusal(tmp_path, name, torch.zeros(shape))
    assert sentence in message
    assert "\n" not in message


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "lm_head.weight", LAYER + "v_proj.weight"])
def test_weights_that_are_not_finite_are_refused_in_one_sentence(name: str, number: float, tmp_path: Path) -> None:
    tensor = random_weights(SmallModel())[name].clone()
    tensor[3, 3] = number
    message = f"The tensor {name} of small holds NaN or infinite weights; download the model again."
    assert refusal(tmp_path, name, tensor) == message


@pytest.mark.parametrize("name", [LAYER + "o_proj.weight", "model.embed_tokens.weight"])
def test_a_missing_tensor_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, name, None) == f"small has no tensor {name}, so it is not a complete llama model."


def test_heads_that_cannot_share_their_value_heads_are_refused() -> None:
    shape = ModelShape("llama", 2, 6, 3, 32, 8, 1e-5, "silu")
    with pytest.raises(MapsError, match=r"^The model's configuration gives 6 heads and 4 value heads, which cannot be"):
        replace(shape, kv_heads=4)
