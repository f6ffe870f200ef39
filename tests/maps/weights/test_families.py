"""What is read of every family, against the model's own modules in float64; and the same from GGUF files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import tests.gguf_families
from maps.errors import MapsError
from maps.heads.circuit import HeadWeights
from maps.weights.checkpoint import Checkpoint
from maps.weights.families import FAMILIES
from maps.weights.mlp_reader import read_mlp
from maps.weights.open import open_checkpoint
from maps.weights.shape import ModelShape
from tests.families import (
    ALL_MODELS,
    FAMILY_MODELS,
    FAST_FAMILIES,
    PADDING_ROWS,
    BuiltOnce,
    build_config,
    build_model,
    final_norm,
    has_value_norms,
    run_own_first_mlp,
    run_own_head,
    scaled_embedding,
    ties_embeddings,
)
from tests.gguf_families import save_gguf
from tests.sampling import sampled
from tests.small_models import VOCABULARY_SIZE, WORDS, byte_level_tokenizer

IN_GGUF = [family for family, model in ALL_MODELS.items() if model.gguf_architecture]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Path]]:
    """Every family's model with its folder."""
    folder = tmp_path_factory.mktemp("families")
    return BuiltOnce(lambda family: (build_model(family, folder / family), folder / family))


def test_every_family_has_a_model() -> None:
    types = {name for family in FAMILIES for name in family.model_types}
    assert FAMILY_MODELS.keys() <= types
    assert all(set(family.model_types) & ALL_MODELS.keys() for family in FAMILIES if family.model_types)
    ours, made = ([each.architecture for each in FAMILIES], [m.gguf_architecture for m in ALL_MODELS.values()])
    assert set(ours) - {None} == set(made) - {None}


def assert_rows_close(ours: Tensor, own: Tensor, tolerance: float) -> None:
    """Rows (n, d) each differ by at most a share of their length."""
    assert bool(((ours - own).norm(dim=1) <= tolerance * own.norm(dim=1)).all())


def same_as_the_models_own(checkpoint: Checkpoint, model: Any, family: str) -> None:
    wanted, s = ALL_MODELS[family], checkpoint.shape
    sizes = (s.layers, s.heads, s.kv_heads, s.width, s.head_width, s.first_mlp)
    assert sizes == (wanted.layers, 4, wanted.kv_heads, 32, wanted.head_width, wanted.first_mlp)
    assert (s.epsilon, s.embedding_scale) == pytest.approx((wanted.epsilon, wanted.embedding_scale), rel=1e-7)
    embedding = checkpoint.embedding()
    assert torch.equal(embedding.double(), model.get_input_embeddings().weight[:VOCABULARY_SIZE])
    unembedding = checkpoint.unembedding(embedding)
    assert torch.equal(unembedding.double(), model.get_output_embeddings().weight[:VOCABULARY_SIZE])
    assert checkpoint.is_tied == (unembedding is embedding) == ties_embeddings(model.config)
    norm = checkpoint.norm("embedding_norm")
    scaled = embedding.double() * s.embedding_scale
    scaled = scaled if norm is None else norm.to(torch.float64).apply(scaled)
    tolerance = 1e-5 if norm is not None and wanted.in_float32 else 1e-7
    torch.testing.assert_close(scaled, scaled_embedding(model), rtol=tolerance, atol=tolerance)
    ours = read_mlp(checkpoint).to(torch.float64).apply(scaled)
    rough = wanted.in_float32
    torch.testing.assert_close(
        ours, run_own_first_mlp(model), rtol=1e-4 if rough else 1e-9, atol=1e-4 if rough else 1e-7
    )
    rows = torch.randn(3, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert tuple(s.layers_with_heads) == (wanted.head_layers or tuple(range(wanted.layers)))
    for layer in s.layers_with_heads:
        heads = HeadWeights(checkpoint.value_weights(layer), checkpoint.output_weights(layer)).to_float64()
        assert (len(heads.values), len(heads.outputs)) == (s.in_layer(layer).kv_heads, s.heads)
        is_product = s.latent is not None or bool(s.factors)  # which is rounded to float32
        for head in range(s.heads):
            ours, own = heads.head_output(rows, head), run_own_head(model, layer, head, rows)
            assert_rows_close(ours, own, 1e-6 if is_product else 1e-9)
            if has_value_norms(model, layer):  # they keep the direction
                whole = run_own_head(model, layer, head, rows, keep_norms=True)
                assert_rows_close(ours, whole * (ours.norm(dim=1) / whole.norm(dim=1))[:, None], 1e-6)


@pytest.mark.parametrize("family", sampled(ALL_MODELS, FAST_FAMILIES))
@torch.no_grad()
def test_a_folder_gives_what_the_models_own_modules_hold(family: str, made: dict[str, tuple[Any, Path]]) -> None:
    model, folder = made[family]
    checkpoint = open_checkpoint(str(folder))
    assert checkpoint.shape.architecture == family.split("/")[0]
    same_as_the_models_own(checkpoint, model, family)


@pytest.mark.parametrize("family", sampled(IN_GGUF, FAST_FAMILIES))
@torch.no_grad()
def test_a_gguf_file_gives_the_same(family: str, made: dict[str, tuple[Any, Path]], tmp_path: Path) -> None:
    model, _ = made[family]
    checkpoint = open_checkpoint(str(save_gguf(tmp_path / "model.gguf", family, model)))
    assert checkpoint.shape.architecture == ALL_MODELS[family].gguf_architecture
    same_as_the_models_own(checkpoint, model, family)
    assert checkpoint.vocabulary.single_token_ids([WORDS[0], "xyz"]) == [260, None]


@pytest.mark.parametrize("family", sampled(ALL_MODELS, FAST_FAMILIES))
@torch.no_grad()
def test_the_final_gain_is_what_the_final_norm_multiplies_by(
    family: str, made: dict[str, tuple[Any, Path]], tmp_path: Path
) -> None:
    model, folder = made[family]
    norm = final_norm(model)
    gain = open_checkpoint(str(folder)).final_norm_gain()
    x = torch.tensor([1.0, -1.0] * 16, dtype=torch.float64)[None]  # mean 0, mean square 1
    own = norm(x) - (0 if getattr(norm, "bias", None) is None else norm.bias)
    torch.testing.assert_close(own * x, gain.double()[None], rtol=1e-5, atol=1e-5)
    if family in IN_GGUF:
        file = save_gguf(tmp_path / "model.gguf", family, model)
        torch.testing.assert_close(open_checkpoint(str(file)).final_norm_gain(), gain, rtol=1e-6, atol=1e-6)


def test_the_small_gemmas_have_no_row_for_the_token_of_a_picture(tmp_path: Path) -> None:
    build_model("gemma3_text", tmp_path)
    tokenizer, rows = byte_level_tokenizer(), VOCABULARY_SIZE + PADDING_ROWS
    tokenizer.add_tokens([f"<extra {i}>" for i in range(PADDING_ROWS)])
    tokenizer.add_special_tokens(["<image_soft_token>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    checkpoint = open_checkpoint(str(tmp_path))
    assert checkpoint.vocabulary.size == len(checkpoint.embedding()) == rows
    assert checkpoint.vocabulary.rowless == 1


@pytest.mark.parametrize("family", FAMILY_MODELS)
def test_embeddings_are_tied_by_default_where_transformers_ties_them(family: str) -> None:
    default = ties_embeddings(type(build_config(family))())
    declared = next(each.ties_embeddings for each in FAMILIES if family in each.model_types)
    assert declared == default


@pytest.mark.parametrize("family", sampled(FAMILY_MODELS, FAST_FAMILIES))
def test_without_an_unembedding_a_silent_configuration_is_read_as_transformers_reads_it(
    family: str, tmp_path: Path
) -> None:
    build_model(family, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(
        {name: x for name, x in weights.items() if "head" not in name and "embed_out" not in name},
        tmp_path / "model.safetensors",
    )
    config = json.loads((tmp_path / "config.json").read_text())
    for entries in (config, config.get("text_config", {})):
        entries.pop("tie_word_embeddings", None)
    (tmp_path / "config.json").write_text(json.dumps(config))
    if ties_embeddings(type(build_config(family))()):
        checkpoint = open_checkpoint(str(tmp_path))
        embedding = checkpoint.embedding()
        assert checkpoint.unembedding(embedding) is embedding
    else:
        with pytest.raises(MapsError, match=r"has no tensor (lm_head|embed_out)\.weight, so it is not a complete"):
            open_checkpoint(str(tmp_path))


def test_a_multimodal_configuration_may_leave_out_what_its_class_knows(tmp_path: Path) -> None:
    build_model("gemma3", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for key in ("num_attention_heads", "num_key_value_heads", "head_dim", "rms_norm_eps", "hidden_activation"):
        del config["text_config"][key]
    del config["text_config"]["vocab_size"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    shape = open_checkpoint(str(tmp_path)).shape
    assert shape == ModelShape("gemma3", 3, 8, 4, 32, 256, 1e-6, "gelu_pytorch_tanh", 32**0.5)


@pytest.mark.parametrize("family", ["phi", "llama", "qwen3", "gemma2"])
@torch.no_grad()
def test_a_gguf_file_may_hold_query_key_and_value_in_one_tensor(
    family: str, made: dict[str, tuple[Any, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = made[family]
    tensors = tests.gguf_families.gguf_tensors(family, model)
    for i in range(3):
        parts = [tensors.pop(f"blk.{i}.attn_{name}.weight") for name in "qkv"]
        tensors[f"blk.{i}.attn_qkv.weight"] = torch.cat(parts)
    monkeypatch.setattr(tests.gguf_families, "gguf_tensors", lambda _family, _model: tensors)
    same_as_the_models_own(open_checkpoint(str(save_gguf(tmp_path / "m.gguf", family, model))), model, family)
