"""GGUF files: metadata into a shape and a tokenizer, tensors dequantised one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import gguf
import numpy
import torch
from torch import Tensor

from maps.types import MapsError
from maps.weights.checkpoint import Checkpoint, Shape
from maps.weights.families import family_named
from maps.weights.tokens import Vocabulary, check_fit

HEADER = 1 << 20  # bytes of a file that its revision is told by, beside its size


class GgufFile:
    """The tensors of one GGUF file."""

    def __init__(self, path: Path, reader: Any) -> None:
        self.path = path
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}

    def names(self) -> set[str]:
        """The names of all tensors."""
        return set(self.tensors)

    def read(self, name: str) -> Tensor:
        """One tensor, dequantised to float32."""
        tensor = self.tensors[name]
        try:
            values = gguf.dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as error:
            raise MapsError(
                f"{self.path} stores {name} as {tensor.tensor_type.name}, which is not supported; "
                "take a file quantised as F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q5_K or Q6_K."
            ) from error
        shape = tuple(int(n) for n in reversed(tensor.shape))
        return torch.from_numpy(numpy.array(values, dtype=numpy.float32)).view(shape)


def read_gguf(path: Path) -> Any:
    """Opens a GGUF file; raises MapsError where it is none or is cut off."""
    try:
        return gguf.GGUFReader(path)
    except OSError as error:
        raise MapsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise MapsError(f"{path} is no whole GGUF file: it may be cut off; download it again.") from error


def open_gguf(path: Path, model: str, revision: str | None = None) -> Checkpoint:
    """A checkpoint from a GGUF file of a supported family."""
    reader = read_gguf(path)
    metadata = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer.")}
    architecture = str(metadata.get("general.architecture", "unknown"))
    family = family_named(architecture, model)
    shape = shape_of(metadata, architecture, path)
    vocabulary = vocabulary_of(path)
    embedding = next((t for t in reader.tensors if t.name == family.gguf_names["embedding"]), None)
    if embedding is not None:
        check_fit(vocabulary, int(embedding.shape[1]), model)
    return Checkpoint(
        model,
        revision or fingerprint(path),
        shape,
        vocabulary,
        GgufFile(path, reader),
        family.gguf_names,
        family.activations[shape.activation],
    )


def shape_of(metadata: Mapping[str, Any], architecture: str, path: Path) -> Shape:
    """The model's shape from the file's metadata."""

    def number(key: str, default: int | None = None) -> int:
        value = metadata.get(f"{architecture}.{key}", default)
        if not isinstance(value, int) or value <= 0:
            raise MapsError(f"{path} does not say its {architecture}.{key} as one number, so it cannot be mapped.")
        return value

    epsilon = metadata.get(f"{architecture}.attention.layer_norm_rms_epsilon")
    if not isinstance(epsilon, float):
        raise MapsError(f"{path} does not say the epsilon of its norms, so it cannot be mapped.")
    heads, width = number("attention.head_count"), number("embedding_length")
    return Shape(
        architecture=architecture,
        layers=number("block_count"),
        heads=heads,
        kv_heads=number("attention.head_count_kv", heads),
        width=width,
        head_width=number("attention.value_length", width // heads),
        epsilon=epsilon,
        activation="silu",
    )


def vocabulary_of(path: Path) -> Vocabulary:
    """The file's tokenizer as transformers reads it, without what was added to the file's own list of tokens.

    Converters fill the list up with `[PAD17]` where the embedding has rows for no token; transformers adds the
    default special tokens of the tokenizer's class.
    """
    from transformers.integrations.gguf.gguf_tokenizer_mapping import convert_gguf_tokenizer, get_gguf_tokenizer

    try:
        architecture, entries, _ = get_gguf_tokenizer(str(path))
        tokenizer, _ = convert_gguf_tokenizer(architecture, entries)
    except (KeyError, ValueError) as error:
        raise MapsError(f"{path} holds no tokenizer that can be read; take a file with one.") from error
    tokens = entries["tokens"]
    padding = takewhile(lambda i: tokens[i] == f"[PAD{i}]", reversed(range(len(tokens))))
    return Vocabulary(tokenizer, len(tokens) - len(list(padding)))


def fingerprint(path: Path) -> str:
    """A revision for a file without one: a hash of its size and first mebibyte (all its metadata, most often)."""
    with path.open("rb") as file:
        head = file.read(HEADER)
    return hashlib.sha256(f"{path.stat().st_size}:".encode() + head).hexdigest()[:16]
