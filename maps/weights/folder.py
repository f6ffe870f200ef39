"""Folders in the Hugging Face layout: config.json, a tokenizer and safetensors files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor

from maps.types import MapsError
from maps.weights.checkpoint import Checkpoint, Shape, Source
from maps.weights.families import family_named
from maps.weights.tokens import Vocabulary, check_fit


class SafetensorsFiles:
    """The tensors of one or many safetensors files."""

    def __init__(self, files: list[Path]) -> None:
        self.files = {name: file for file in files for name in names_in(file)}

    def names(self) -> set[str]:
        """The names of all tensors."""
        return set(self.files)

    def read(self, name: str) -> Tensor:
        """One tensor, in float32."""
        with safe_open(self.files[name], framework="pt") as file:
            tensor: Tensor = file.get_tensor(name).float()
        return tensor


def names_in(file: Path) -> list[str]:
    """The tensors of a file; raises MapsError where it is no whole safetensors file."""
    try:
        with safe_open(file, framework="pt") as opened:
            return list(opened.keys())
    except (SafetensorError, OSError) as error:
        raise MapsError(f"{file} is no whole safetensors file ({error}); download it again.") from error


def open_folder(folder: Path, model: str, revision: str | None = None) -> Checkpoint:
    """A checkpoint from a folder with config.json, a tokenizer and safetensors files."""
    config_file, files = folder / "config.json", sorted(folder.glob("*.safetensors"))
    if not config_file.exists():
        raise MapsError(f"{folder} has no config.json, so it is no model folder; give the folder that holds the model.")
    if not files:
        raise MapsError(f"{folder} has a config.json and no *.safetensors file; download the model's weights into it.")
    check_shards(folder)
    return checkpoint_of(folder, SafetensorsFiles(files), model, revision or fingerprint(config_file, files))


def fingerprint(config_file: Path, files: list[Path]) -> str:
    """A revision for a folder without one: a hash of its configuration and its files' sizes."""
    sizes = "".join(f"{file.name}:{file.stat().st_size};" for file in files)
    return hashlib.sha256(config_file.read_bytes() + sizes.encode()).hexdigest()[:16]


def checkpoint_of(folder: Path, source: Source, model: str, revision: str) -> Checkpoint:
    """A checkpoint whose config.json and tokenizer lie in `folder` and whose tensors come from `source`."""
    config = read_json(folder / "config.json")
    if config.get("quantization_config"):
        raise MapsError(f"{model} holds quantised weights; take the unquantised model or a .gguf file.")
    family = family_named(str(config.get("model_type", "unknown")), model)
    shape = shape_of(config, model)
    if shape.activation not in family.activations:
        raise MapsError(
            f"{model} uses the activation {shape.activation}; {family.name} models use {', '.join(family.activations)}."
        )
    vocabulary = Vocabulary(tokenizer_of(folder))
    check_fit(vocabulary, number(config, "vocab_size", model, vocabulary.size), model)
    activation = family.activations[shape.activation]
    return Checkpoint(model, revision, shape, vocabulary, source, family.names, activation)


def check_shards(folder: Path) -> None:
    """Raises MapsError where a file is missing that the folder's index lists: its tensors would count as absent."""
    index = folder / "model.safetensors.index.json"
    listed = read_json(index).get("weight_map") if index.exists() else {}
    if not isinstance(listed, dict):
        raise MapsError(f"{index} lists no files; download the model again.")
    missing = sorted({name for name in listed.values() if not (folder / str(name)).exists()})
    if missing:
        raise MapsError(f"{folder} lacks {', '.join(missing)}, which its index lists; download the rest of the model.")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MapsError(f"{path} is no JSON ({error}); download the model again.") from error
    if not isinstance(content, dict):
        raise MapsError(f"{path} is no JSON object; download the model again.")
    return content


def number(config: Mapping[str, Any], key: str, model: str, default: int | None = None) -> int:
    """A whole number from 1 on of a configuration; raises MapsError where it has none and there is no default."""
    value = config.get(key)
    value = default if value is None else value
    if not isinstance(value, int) or value <= 0:
        raise MapsError(f"The configuration of {model} does not say {key} as one number, so it cannot be mapped.")
    return value


def shape_of(config: Mapping[str, Any], model: str) -> Shape:
    """The model's shape from its configuration."""
    heads, width = number(config, "num_attention_heads", model), number(config, "hidden_size", model)
    epsilon = config.get("rms_norm_eps", 1e-6)
    if not isinstance(epsilon, float):
        raise MapsError(f"The configuration of {model} does not say rms_norm_eps as a number, so it cannot be mapped.")
    return Shape(
        architecture=str(config["model_type"]),
        layers=number(config, "num_hidden_layers", model),
        heads=heads,
        kv_heads=number(config, "num_key_value_heads", model, heads),
        width=width,
        head_width=number(config, "head_dim", model, width // heads),
        epsilon=epsilon,
        activation=str(config.get("hidden_act", "silu")),
    )


def tokenizer_of(folder: Path) -> Tokenizer:
    """The folder's fast tokenizer; tokenizers without tokenizer.json are converted by transformers."""
    file = folder / "tokenizer.json"
    if file.exists():
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise MapsError(f"{file} is no tokenizer ({error}); download the model again.") from error
        tokenizer.no_padding()  # some files pad every text of a batch to the longest
        return tokenizer
    from transformers import AutoTokenizer

    try:
        converted = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    except (OSError, ValueError) as error:
        raise MapsError(
            f"{folder} holds no tokenizer that can be read; put the model's tokenizer.json there."
        ) from error
    return converted.backend_tokenizer
