"""Seed-OSS: like Llama, with biases of query, key and value."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

SEED_OSS = Family(
    model_types=("seed_oss",),
    architecture="seed_oss",
    hub=TensorLayout(HUB_NAMES, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout({**GGUF_NAMES, "mlp_norm": "blk.{i}.post_attention_norm.weight"}),
    config_defaults={"rms_norm_eps": 1e-6, "num_key_value_heads": 8, "head_dim": 128},
)
