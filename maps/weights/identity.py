"""What a model is: its weights. A hash over every byte of the tensors that MAPS reads tells two models apart.

Names, dates, sizes and commits do not: a training run saves over its own files with the same sizes, and two folders
are called `checkpoint-500`. Every byte is hashed rather than a sample, because an edit may change one row of the
embedding. XXH3 does that as fast as memory is read, so nothing has to be remembered between runs. It finds changes; it
is no protection from somebody who wants two models to look the same.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, fields
from typing import Any

import xxhash

from maps.heads.mixture import Routing
from maps.weights.shape import ModelShape
from maps.weights.stored import StoredTensor
from maps.weights.tokens import Vocabulary

LATER_ENTRIES = (  # which the first hashes did not have
    *("residual_scale", "routing", "head_layers", "latent", "layer_sizes", "first_mlp", "factors"),
)


LATER_ROUTING_ENTRIES = ("scored_in_group", "scales_input")


def shape_entries(shape: ModelShape) -> dict[str, Any]:
    """The sizes that are hashed; later ones only where they are not the usual, so that older hashes stay the same."""
    entries = without_usual(shape, LATER_ENTRIES)
    if shape.routing is not None:
        entries["routing"] = without_usual(shape.routing, LATER_ROUTING_ENTRIES)
    return entries


def without_usual(sizes: ModelShape | Routing, later: Collection[str]) -> dict[str, Any]:
    """All entries but later ones that have their default."""
    usual = {field.name: field.default for field in fields(sizes) if field.name in later}
    return {name: value for name, value in asdict(sizes).items() if name not in usual or value != usual[name]}


def hash_model(shape: ModelShape, vocabulary: Vocabulary, tensors: Iterable[tuple[str, StoredTensor]]) -> str:
    """128 bits of XXH3 in hexadecimal, over the shape, the vocabulary, and each tensor's name, shape, dtype and bytes.

    Files may be split or joined differently and the hash stays; a GGUF file never equals the folder it was made from.
    """
    digest = xxhash.xxh3_128(json.dumps(shape_entries(shape), sort_keys=True).encode())
    digest.update("\0".join(vocabulary.tokens).encode())
    for name, tensor in tensors:
        digest.update(f"\0{name} {tensor.dtype} {list(tensor.shape)}\0".encode())
        for block in tensor.blocks:
            digest.update(block)
    return digest.hexdigest()
