"""Gemma: scaled embeddings and gains of norms stored less one, but no norms behind attention and MLP."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

GEMMA = Family(
    model_types=("gemma",),
    architecture="gemma",
    hub=TensorLayout(HUB_NAMES, norms_minus_one=True, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES),  # stores whole gains
    activation="gelu_pytorch_tanh",
    config_defaults={"rms_norm_eps": 1e-6, "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 256},
    scales_embeddings=True,
    ties_embeddings=True,
)
