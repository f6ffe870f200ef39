"""The Llama family: Llama 1 to 3, SmolLM and other models of the same architecture."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

LLAMA = Family(
    model_types=("llama",),
    architecture="llama",
    hub=TensorLayout(HUB_NAMES, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES),
)
