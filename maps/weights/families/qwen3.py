"""Qwen3, also those that see images (VL): like Llama, with norms of queries and keys.

The head width is independent of the width.
"""

from __future__ import annotations

from dataclasses import replace

from maps.weights import family

QWEN3 = family.Family(
    model_types=("qwen3",),
    architecture="qwen3",
    hub=family.TensorLayout(family.HUB_NAMES | family.HUB_HEAD_NORMS, prefixes=family.MODEL_PREFIXES),
    gguf=family.TensorLayout(family.GGUF_NAMES | family.GGUF_HEAD_NORMS),
    config_defaults={"rms_norm_eps": 1e-6, "head_dim": 128},
)
QWEN3_VL = replace(QWEN3, model_types=("qwen3_vl", "qwen3_vl_text"), architecture="qwen3vl")
