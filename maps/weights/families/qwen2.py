"""Qwen2 and Qwen2.5, also those that see images (VL): like Llama, with biases of query, key and value.

Small models tie their embeddings.
"""

from __future__ import annotations

from dataclasses import replace

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

QWEN2 = Family(
    model_types=("qwen2",),
    architecture="qwen2",
    hub=TensorLayout(HUB_NAMES, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES),
)
QWEN2_VL = replace(
    QWEN2, model_types=("qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text"), architecture="qwen2vl"
)
