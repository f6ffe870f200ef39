"""Qwen2 and Qwen2.5: as Llama, with biases that MAPS does not use; small ones tie their embeddings."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL, Family, Place

QWEN2 = Family(
    model_types=("qwen2",),
    architecture="qwen2",
    hub=Place(HUB_NAMES, prefixes=MODEL),
    gguf=Place(GGUF_NAMES),
)
