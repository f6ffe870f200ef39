"""Granite: like Llama, with factors of the embeddings and of what each block adds to the residual stream."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.llama import LLAMA
from maps.weights.family import CONFIG_KEYS

GRANITE = replace(
    LLAMA,
    model_types=("granite",),
    architecture="granite",
    config_keys={**CONFIG_KEYS, "embedding_scale": "embedding_multiplier", "residual_scale": "residual_multiplier"},
)
