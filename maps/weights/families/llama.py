"""The Llama family: Llama 1 to 3, SmolLM and other models of the same architecture."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL, Family, Place

LLAMA = Family(
    model_types=("llama",),
    architecture="llama",
    hub=Place(HUB_NAMES, prefixes=MODEL),
    gguf=Place(GGUF_NAMES),
)
