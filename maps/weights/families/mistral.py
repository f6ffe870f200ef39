"""Mistral: the same architecture as Llama; GGUF files call it `llama`."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

MISTRAL = Family(
    model_types=("mistral",),
    architecture="llama",
    hub=TensorLayout(HUB_NAMES, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES),
    config_defaults={"rms_norm_eps": 1e-6, "num_key_value_heads": 8},
)
