"""Qwen3: like Llama, with norms of queries and keys, and a head width independent of the width."""

from __future__ import annotations

from maps.weights.family import (
    GGUF_HEAD_NORMS,
    GGUF_NAMES,
    HUB_HEAD_NORMS,
    HUB_NAMES,
    MODEL_PREFIXES,
    Family,
    TensorLayout,
)

QWEN3 = Family(
    model_types=("qwen3",),
    architecture="qwen3",
    hub=TensorLayout(HUB_NAMES | HUB_HEAD_NORMS, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES | GGUF_HEAD_NORMS),
    config_defaults={"rms_norm_eps": 1e-6, "head_dim": 128},
)
