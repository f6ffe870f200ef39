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
    weights = random_weights(SmallModel())
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
    for file, names_in_file in parts.items():
        save_file({name: weights[name] for name in names_in_file}, folder / file)
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {name: file for file, names_in_file in parts.items() for name in names_in_file}}
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
    message = (
        f"{folder} has no config.json, so it is not a model; give the folder or the repository that holds the model."
    )
    assert refusal(folder) == message


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    message = f"{folder} has a config.json but no *.safetensors file and no pytorch_model.bin; add the model's weights."
    assert refusal(folder) == message


@pytest.mark.parametrize("size", [0, 3, 8, 100, 5000, -1000, -1])
def test_a_safetensors_file_that_is_cut_off_is_refused(folder: Path, size: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    message = refusal(folder)
    assert message.startswith(f"{file} is not a complete safetensors file (")
    assert message.endswith("); download it again.")


@pytest.mark.parametrize(
    ("entry", "value", "sentence"),
    [
        ("model_type", "bert", "small has the model type bert, which is not supported; supported are apertus, arcee, "),
        ("model_type", "mamba", "small has the model type mamba, which cannot be mapped: it is a state-space model, "),
        ("model_type", "deepseek_v4", "small has the model type deepseek_v4, which cannot be mapped: its heads have "),
        ("model_type", None, "The config.json of small has no model_type, so the family of the model is not known;"),
        (
            "hidden_act",
            "mish",
            "The configuration of small names the activation mish, which is not supported; supported are",
        ),
        ("hidden_size", "32", "The configuration of small has no valid whole number for hidden_size, so the"),
        ("hidden_size", None, "The configuration of small has no valid whole number for hidden_size, so the"),
        ("num_hidden_layers", 0, "The configuration of small has no valid whole number for num_hidden_layers"),
        ("num_attention_heads", [4, 4], "The configuration of small has no valid whole number for num_attention_heads"),
        ("num_key_value_heads", 3, "The model's configuration gives 4 heads and 3 value heads, which cannot be"),
        ("rms_norm_eps", None, "The configuration of small has no number between 0 and 1 for rms_norm_eps"),
        ("vocab_size", "many", "The configuration of small has no valid whole number for vocab_size, so the"),
        ("vocab_size", 300, "The tokenizer of small knows 346 ids and its embedding has 300 rows: they do not belong"),
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
    message = refusal(folder)
    assert message.startswith(f"{folder / name} is not ")
    assert message.endswith("download the model again.")


def test_a_damaged_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": {"type": "Dream"}}')
    message = refusal(folder)
    assert message.startswith(f"{folder / 'tokenizer.json'} is not a valid tokenizer (")
    assert message.endswith("); download the model again.")


def test_a_folder_without_a_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    message = refusal(folder)
    assert message.startswith(f"{folder} has no readable tokenizer (")
    assert message.endswith("); put the model's tokenizer.json there.")


def test_a_tokenizer_of_the_older_files_is_converted(folder: Path) -> None:
    state = json.loads(byte_level_tokenizer().to_str())["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(state["vocab"] | {"<|endoftext|>": VOCABULARY_SIZE - 1}))
    (folder / "merges.txt").write_text("\n".join(" ".join(pair) for pair in state["merges"]))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')
    vocabulary = open_checkpoint(str(folder)).vocabulary
    assert vocabulary.size == VOCABULARY_SIZE
    assert vocabulary.single_token_ids(WORDS) == [260 + 6 * i for i in range(15)]


def test_padding_is_turned_off(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))
    vocabulary = open_checkpoint(str(folder)).vocabulary
    assert vocabulary.single_token_ids(["amber", "xyz"]) == [260, None]
