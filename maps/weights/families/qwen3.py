"""Qwen3: like Llama, with norms of queries and keys, and a head width independent of the width."""

from __future__ import annotations

from maps.weights import family

QWEN3 = family.Family(
    model_types=("qwen3",),
    architecture="qwen3",
    hub=family.TensorLayout(family.HUB_NAMES | family.HUB_HEAD_NORMS, prefixes=family.MODEL_PREFIXES),
    gguf=family.TensorLayout(family.GGUF_NAMES | family.GGUF_HEAD_NORMS),
    config_defaults={"rms_norm_eps": 1e-6, "head_dim": 128},
)
