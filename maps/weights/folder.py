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
from maps.weights.checkpoint import Checkpoint, Shape
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
    config = read_config(config_file)
    family = family_named(str(config.get("model_type", "unknown")), model)
    shape = shape_of(config, model)
    if shape.activation not in family.activations:
        raise MapsError(
            f"{model} uses the activation {shape.activation}; {family.name} models use {', '.join(family.activations)}."
        )
    vocabulary = Vocabulary(tokenizer_of(folder))
    check_fit(vocabulary, int(config.get("vocab_size", vocabulary.size)), model)
    sizes = "".join(f"{file.name}:{file.stat().st_size};" for file in files)
    found = hashlib.sha256(config_file.read_bytes() + sizes.encode()).hexdigest()[:16]
    return Checkpoint(
        model,
        revision or found,
        shape,
        vocabulary,
        SafetensorsFiles(files),
        family.names,
        family.activations[shape.activation],
    )


def read_config(path: Path) -> dict[str, Any]:
    """config.json as a dictionary."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MapsError(f"{path} is no JSON ({error}); download the model again.") from error
    if not isinstance(config, dict):
        raise MapsError(f"{path} is no JSON object; download the model again.")
    return config


def shape_of(config: Mapping[str, Any], model: str) -> Shape:
    """The model's shape from its configuration."""

    def number(key: str, default: int | None = None) -> int:
        value = config.get(key)
        value = default if value is None else value
        if not isinstance(value, int) or value <= 0:
            raise MapsError(f"The configuration of {model} does not say {key} as one number, so it cannot be mapped.")
        return value

    heads, width = number("num_attention_heads"), number("hidden_size")
    return Shape(
        architecture=str(config["model_type"]),
        layers=number("num_hidden_layers"),
        heads=heads,
        kv_heads=number("num_key_value_heads", heads),
        width=width,
        head_width=number("head_dim", width // heads),
        epsilon=float(config.get("rms_norm_eps", 1e-6)),
        activation=str(config.get("hidden_act", "silu")),
    )


def tokenizer_of(folder: Path) -> Tokenizer:
    """The folder's fast tokenizer; tokenizers without tokenizer.json are converted by transformers."""
    file = folder / "tokenizer.json"
    if file.exists():
        try:
            return Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise MapsError(f"{file} is no tokenizer ({error}); download the model again.") from error
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    except (OSError, ValueError) as error:
        raise MapsError(
            f"{folder} holds no tokenizer that can be read; put the model's tokenizer.json there."
        ) from error
    return tokenizer.backend_tokenizer
