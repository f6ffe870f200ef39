"""Gemma 3: like Gemma 2, with norms of queries and keys."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.gemma2 import GEMMA2, GEMMA_GGUF_NAMES, GEMMA_NAMES
from maps.weights.family import GGUF_HEAD_NORMS, HUB_HEAD_NORMS, MODEL_PREFIXES, TensorLayout

GEMMA3 = replace(
    GEMMA2,
    model_types=("gemma3_text", "gemma3"),
    architecture="gemma3",
    hub=TensorLayout(GEMMA_NAMES | HUB_HEAD_NORMS, norms_minus_one=True, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GEMMA_GGUF_NAMES | GGUF_HEAD_NORMS),
)
