"""Qwen2 and Qwen2.5: like Llama, with biases of query, key and value; small models tie their embeddings."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

QWEN2 = Family(
    model_types=("qwen2",),
    architecture="qwen2",
    hub=TensorLayout(HUB_NAMES, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES),
)
