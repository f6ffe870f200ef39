"""What a model is: its weights. A hash over every byte of the tensors that MAPS reads tells two models apart.

Names, dates, sizes and commits do not: a training run saves over its own files with the same sizes, and two folders
are called `checkpoint-500`. Every byte is hashed rather than a sample, because an edit may change one row of the
embedding. XXH3 does that as fast as memory is read, so nothing has to be remembered between runs. It finds changes; it
is no protection from somebody who wants two models to look the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import xxhash

from maps.hashes import is_same_model
from maps.weights.family import LAYER_ROLES
from maps.weights.stored import TensorFiles

if TYPE_CHECKING:
    from maps.weights.checkpoint import Checkpoint


def hash_weights(checkpoint: Checkpoint) -> str:
    """128 bits of XXH3 in hexadecimal, over the shape, the vocabulary, and each tensor's name, shape, dtype and bytes.

    Files may be split or joined differently and the hash stays; a GGUF file never equals the folder it was made from.
    """
    digest = xxhash.xxh3_128(json.dumps(asdict(checkpoint.shape), sort_keys=True).encode())
    digest.update("\0".join(checkpoint.vocabulary.tokens).encode())
    source = checkpoint.source
    names = tensor_names(checkpoint)
    if isinstance(source, TensorFiles):  # of a large model, some people download the files of some layers only
        names = {name for name in names if source.file_of_tensor[name].exists()}
    for name in sorted(names):
        stored = source.stored_tensor(name)
        digest.update(f"\0{name} {stored.dtype} {list(stored.shape)}\0".encode())
        for block in stored.blocks:
            digest.update(block)
    return digest.hexdigest()


def tensor_names(checkpoint: Checkpoint) -> set[str]:
    """The names of all tensors with a role, in all layers, and of their biases."""
    names = checkpoint.source.names()
    weights = set(found_names(checkpoint))
    biases = {name.removesuffix("weight") + "bias" for name in weights if name.endswith("weight")}
    return weights | biases & names


def found_names(checkpoint: Checkpoint) -> Iterator[str]:
    for role in checkpoint.layout.names:
        for layer in range(checkpoint.shape.layers if role in LAYER_ROLES else 1):
            name = checkpoint.find_tensor_name(role, layer)
            if name is not None:
                yield name


def identity_entries(checkpoint: Checkpoint) -> dict[str, str | None]:
    """What `atlas.json` and the settings of a run keep to know the model again."""
    return {"revision": checkpoint.revision, "weights": checkpoint.weights}


def is_model_of(checkpoint: Checkpoint, info: Mapping[str, Any]) -> bool:
    """Whether this is the model in an `atlas.json`."""
    return is_same_model(identity_entries(checkpoint), info)
