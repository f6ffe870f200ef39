"""Mistral: built as Llama, and named so in GGUF files."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL, Family, Place

MISTRAL = Family(
    model_types=("mistral",),
    architecture="llama",
    hub=Place(HUB_NAMES, prefixes=MODEL),
    gguf=Place(GGUF_NAMES),
    left_out={"rms_norm_eps": 1e-6, "num_key_value_heads": 8},
)
