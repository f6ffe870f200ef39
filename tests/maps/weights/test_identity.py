"""A model is its weights: every byte that MAPS reads counts, and nothing else does."""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from maps.errors import MapsError
from maps.heads.mixture import Routing
from maps.weights.identity import shape_entries
from maps.weights.open import open_checkpoint
from maps.weights.shape import ModelShape
from tests.small_models import SmallModel, Weights, random_weights, save_gguf, save_model_folder

SMALL = SmallModel()
READ = [
    *("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"),
    *(f"model.layers.1.self_attn.{name}_proj.weight" for name in "qkvo"),
    *(f"model.layers.0.mlp.{name}_proj.weight" for name in ("gate", "up", "down")),
    "model.layers.0.post_attention_layernorm.weight",
]
NOT_READ = ["model.layers.1.mlp.down_proj.weight", "model.layers.1.post_attention_layernorm.weight"]


def save_folder(path: Path, tensors: Weights) -> Path:
    return save_model_folder(path, SMALL, tensors)


def save_bin(path: Path, tensors: Weights) -> Path:
    save_model_folder(path, SMALL, tensors)
    (path / "model.safetensors").unlink()
    torch.save(tensors, path / "pytorch_model.bin")
    return path


def save_file_of_llama_cpp(path: Path, tensors: Weights) -> Path:
    return save_gguf(path.with_suffix(".gguf"), SMALL, tensors)


WRITERS = {"safetensors": save_folder, "bin": save_bin, "gguf": save_file_of_llama_cpp}


def identity(path: Path) -> str:
    weights = open_checkpoint(str(path)).weights
    assert weights is not None
    return weights


@pytest.mark.parametrize("kind", WRITERS)
def test_the_last_bit_of_any_number_that_is_read_counts(kind: str, tmp_path: Path) -> None:
    write, tensors = WRITERS[kind], random_weights(SMALL)
    before = identity(write(tmp_path / "model", tensors))
    seen = {before}
    for name in READ:
        changed = {**tensors, name: tensors[name].clone()}
        last = changed[name].flatten()[-1:]
        changed[name].flatten()[-1:] = torch.nextafter(last, torch.tensor([torch.inf]))
        seen.add(identity(write(tmp_path / "model", changed)))
    assert len(seen) == 1 + len(READ)
    for name in NOT_READ:
        assert identity(write(tmp_path / "model", {**tensors, name: tensors[name] + 1})) == before


@pytest.mark.parametrize("change", [{"rms_norm_eps": 1e-5}, {"hidden_act": "gelu"}, {"num_key_value_heads": 4}])
def test_numbers_of_the_configuration_that_are_read_count(change: dict[str, object], tmp_path: Path) -> None:
    wide = SmallModel(kv_heads=4)
    weights = random_weights(wide)
    one = save_model_folder(tmp_path / "one", wide, weights, num_key_value_heads=4)
    two = save_model_folder(tmp_path / "two", wide, weights, **{"num_key_value_heads": 4, **change})
    assert (identity(one) == identity(two)) is (change == {"num_key_value_heads": 4})


def test_a_renamed_token_counts(tmp_path: Path) -> None:
    one, two = (save_folder(tmp_path / name, random_weights(SMALL)) for name in ("one", "two"))
    text = (two / "tokenizer.json").read_text(encoding="utf-8")
    (two / "tokenizer.json").write_text(text.replace("<|endoftext|>", "<|end_of_text|>"), encoding="utf-8")
    assert identity(one) != identity(two)


def test_files_dates_and_other_entries_do_not_count(tmp_path: Path) -> None:
    one = save_folder(tmp_path / "one", random_weights(SMALL))
    before = identity(one)
    two = Path(shutil.copytree(one, tmp_path / "two"))
    tensors, file = load_file(two / "model.safetensors"), two / "model.safetensors"
    parts = {"a.safetensors": list(tensors)[::2], "b.safetensors": list(tensors)[1::2]}
    for name, names in parts.items():
        save_file({each: tensors[each] for each in names}, two / name, {"saved_by": "somebody"})
    file.unlink()
    index = {"weight_map": {each: name for name, names in parts.items() for each in names}}
    (two / "model.safetensors.index.json").write_text(json.dumps(index))
    config = json.loads((two / "config.json").read_text())
    (two / "config.json").write_text(json.dumps({**config, "transformers_version": "6", "use_cache": False}))
    os.utime(two / "config.json", (0, 0))
    assert identity(two) == before


def test_files_that_are_not_downloaded_yet_do_not_keep_a_model_from_opening(tmp_path: Path) -> None:
    folder, tensors = save_folder(tmp_path / "model", random_weights(SMALL)), random_weights(SMALL)
    whole = identity(folder)
    (folder / "model.safetensors").unlink()
    later = {name for name in tensors if name.startswith("model.layers.1.")}
    save_file({name: tensors[name] for name in tensors if name not in later}, folder / "a.safetensors")
    index = {"weight_map": {name: "b.safetensors" if name in later else "a.safetensors" for name in tensors}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    in_part = identity(folder)
    save_file({name: tensors[name] for name in later}, folder / "b.safetensors")
    assert in_part != identity(folder) == whole


def test_a_gguf_file_that_shrinks_while_it_is_read_is_said(tmp_path: Path) -> None:
    path = save_gguf(tmp_path / "model.gguf", SMALL, random_weights(SMALL))
    checkpoint = open_checkpoint(str(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MapsError, match=r"model\.gguf was cut off while it was read; wait until it is written"):
        checkpoint.weights  # noqa: B018


def named(path: Path | str) -> str:
    return open_checkpoint(str(path)).model


def test_names_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "hub" / "models--lab--tiny-llama" / "snapshots" / commit
    for path in (snapshot, tmp_path / "run" / "checkpoint-500", tmp_path / "plain"):
        save_folder(path, random_weights(SMALL))
    assert (named(snapshot), open_checkpoint(str(snapshot)).revision) == ("lab/tiny-llama", commit)
    assert named(tmp_path / "run" / "checkpoint-500") == "run/checkpoint-500"
    (tmp_path / "latest").symlink_to(tmp_path / "run" / "checkpoint-500")
    assert named(tmp_path / "latest") == "latest"
    assert named(tmp_path / "plain" / ".." / "plain") == "plain"
    monkeypatch.chdir(tmp_path / "run" / "checkpoint-500")
    assert (named("."), named("..") if (tmp_path / "run" / "config.json").exists() else "") == (
        "run/checkpoint-500",
        "",
    )


def test_a_folder_that_shadows_a_hub_id_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save_folder(tmp_path / "openai-community" / "gpt2", random_weights(SMALL))
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert named("openai-community/gpt2") == "gpt2"
    assert caplog.messages == [
        "openai-community/gpt2 is read from the folder here, not from the Hub; ./openai-community/gpt2 says the same."
    ]
    caplog.clear()
    named("./openai-community/gpt2")
    assert caplog.messages == []


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "a" * 201, "\x1b[2J"])
def test_a_name_that_cannot_be_printed_is_refused(title: str, tmp_path: Path) -> None:
    folder = save_folder(tmp_path / "model", random_weights(SMALL))
    with pytest.raises(MapsError, match="cannot be used; give 1 to 200 printable characters"):
        open_checkpoint(str(folder), title=title)
    assert open_checkpoint(str(folder), title=" Tiny Llama ").model == "Tiny Llama"


def test_entries_that_shapes_got_later_count_only_where_they_are_not_the_usual_ones() -> None:
    """Hashes in atlases of before stay the same."""
    shape = ModelShape("llama", 2, 4, 2, 32, 8, 1e-5, "silu")
    first = {"layers", "heads", "kv_heads", "width", "head_width", "epsilon", "embedding_scale"}
    assert shape_entries(shape).keys() == {*first, "architecture", "activation"}
    changes: list[dict[str, Any]] = [{"residual_scale": 0.5}, {"routing": Routing(8, 2)}, {"head_layers": (1,)}]
    assert all(set(change) <= shape_entries(replace(shape, **change)).keys() for change in changes)
    of_routing = {"experts", "chosen", "score", "normalises", "scale", "groups", "chosen_groups"}
    assert shape_entries(replace(shape, routing=Routing(8, 2)))["routing"].keys() == of_routing
    assert "scales_input" in shape_entries(replace(shape, routing=Routing(8, 2, scales_input=True)))["routing"]
