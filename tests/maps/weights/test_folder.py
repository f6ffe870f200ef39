"""Folders in the Hugging Face layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from maps.errors import MapsError
from maps.weights.open import open_checkpoint
from maps.weights.shape import ModelShape
from tests.small_models import (
    VOCABULARY_SIZE,
    WORDS,
    SmallModel,
    byte_level_tokenizer,
    random_weights,
    save_model_folder,
)

TYPES = "gemma2, gemma3, gemma3_text, gpt2, gpt_neox, llama, mistral, olmo2, phi, phi3, qwen2, qwen3."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model_folder(tmp_path / "small", SmallModel(), random_weights(SmallModel()))


def refusal(folder: Path) -> str:
    with pytest.raises(MapsError) as caught:
        open_checkpoint(str(folder)).check_files([0, 1])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_says_its_shape(folder: Path) -> None:
    checkpoint = open_checkpoint(str(folder))
    assert checkpoint.shape == ModelShape("llama", 2, 4, 2, 32, 8, 2.0**-17, "silu")
    assert (checkpoint.model, checkpoint.vocabulary.size) == ("small", VOCABULARY_SIZE)


def test_what_a_configuration_leaves_out_is_what_the_family_takes(tmp_path: Path) -> None:
    small = SmallModel(kv_heads=4)
    left_out = {"num_key_value_heads": None, "head_dim": None, "hidden_act": "silu"}
    checkpoint = open_checkpoint(str(save_model_folder(tmp_path / "small", small, random_weights(small), **left_out)))
    assert (checkpoint.shape.kv_heads, checkpoint.shape.head_width) == (4, 8)


def test_the_revision_changes_with_the_model(folder: Path, tmp_path: Path) -> None:
    again = save_model_folder(tmp_path / "again", SmallModel(), random_weights(SmallModel()))
    other = save_model_folder(tmp_path / "other", SmallModel(layers=3), random_weights(SmallModel(layers=3)))
    one, same, changed = (open_checkpoint(str(path)).revision for path in (folder, again, other))
    assert one == same != changed


def split(folder: Path) -> list[str]:
    """Spreads the weights over two files under an index."""
    made = random_weights(SmallModel())
    names = sorted(made)
    parts = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
    for file, held in parts.items():
        save_file({name: made[name] for name in held}, folder / file)
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return list(parts)


def test_many_files_are_one_model(folder: Path) -> None:
    whole = open_checkpoint(str(folder))
    embedding, value = whole.embedding(), whole.value_weights(1)
    split(folder)
    parted = open_checkpoint(str(folder))
    assert torch.equal(parted.embedding(), embedding)
    assert torch.equal(parted.value_weights(1), value)


@pytest.mark.parametrize("file", [0, 1])
def test_a_file_of_the_index_that_is_missing_is_named(folder: Path, file: int) -> None:
    missing = split(folder)[file]
    (folder / missing).unlink()
    assert refusal(folder) == f"{folder} lacks {missing}, which its index lists; download the rest of the model."


def test_a_folder_without_a_configuration_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    said = f"{folder} has no config.json, so it is no model folder; give the folder that holds the model."
    assert refusal(folder) == said


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    said = f"{folder} has a config.json and no *.safetensors file; download the model's weights into it."
    assert refusal(folder) == said


@pytest.mark.parametrize("size", [0, 3, 8, 100, 5000, -1000, -1])
def test_a_safetensors_file_that_is_cut_off_is_refused(folder: Path, size: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    said = refusal(folder)
    assert said.startswith(f"{file} is no whole safetensors file (")
    assert said.endswith("); download it again.")


@pytest.mark.parametrize(
    ("entry", "value", "sentence"),
    [
        ("model_type", "mamba", "small is of the family mamba; the supported families are " + TYPES),
        ("model_type", None, "small is of the family None; the supported families are " + TYPES),
        (
            "hidden_act",
            "mish",
            "The configuration of small names the activation mish, which is not known here; known are",
        ),
        ("hidden_size", "32", "The configuration of small does not say hidden_size as one number, so it cannot"),
        ("hidden_size", None, "The configuration of small does not say hidden_size as one number, so it cannot"),
        ("num_hidden_layers", 0, "The configuration of small does not say num_hidden_layers as one number, so it"),
        ("num_attention_heads", [4, 4], "The configuration of small does not say num_attention_heads as one number"),
        ("num_key_value_heads", 3, "The model's configuration gives 4 heads and 3 value heads, which can't be"),
        ("rms_norm_eps", None, "The configuration of small does not say rms_norm_eps as a number below 1, so"),
        ("vocab_size", "many", "The configuration of small does not say vocab_size as one number, so it cannot"),
        ("vocab_size", 345, "The tokenizer of small knows 346 ids and its embedding has 345 rows: they do not belong"),
        ("quantization_config", {"quant_method": "fp8"}, "small holds quantised weights; take the unquantised model"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(
    tmp_path: Path, entry: str, value: object, sentence: str
) -> None:
    folder = save_model_folder(tmp_path / "small", SmallModel(), random_weights(SmallModel()), **{entry: value})
    assert refusal(folder).startswith(sentence)


@pytest.mark.parametrize("content", ["{", "[1]", "", "\x00"])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
def test_a_damaged_configuration_is_refused(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    said = refusal(folder)
    assert said.startswith(f"{folder / name} is no JSON")
    assert said.endswith("download the model again.")


def test_a_damaged_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": {"type": "Dream"}}')
    said = refusal(folder)
    assert said.startswith(f"{folder / 'tokenizer.json'} is no tokenizer (")
    assert said.endswith("); download the model again.")


def test_a_folder_without_a_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    said = f"{folder} holds no tokenizer that can be read; put the model's tokenizer.json there."
    assert refusal(folder) == said


def test_a_tokenizer_of_the_older_files_is_converted(folder: Path) -> None:
    state = json.loads(byte_level_tokenizer().to_str())["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(state["vocab"] | {"<|endoftext|>": VOCABULARY_SIZE - 1}))
    (folder / "merges.txt").write_text("\n".join(" ".join(pair) for pair in state["merges"]))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    found = open_checkpoint(str(folder)).vocabulary
    assert found.size == VOCABULARY_SIZE
    assert found.single_token_ids(WORDS) == [260 + 6 * i for i in range(15)]


def test_padding_is_turned_off(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))
    found = open_checkpoint(str(folder)).vocabulary
    assert found.single_token_ids(["amber", "xyz"]) == [260, None]
