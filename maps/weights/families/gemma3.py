"""Gemma 3: as Gemma 2, and queries and keys are normed; with pictures (`gemma3`) its text model is nested in
configuration and names.

All sizes share a tokenizer, also those without pictures, which have no row for the token that stands for one.
"""

from __future__ import annotations

from maps.weights.families.gemma2 import GEMMA_KEYS, GEMMA_LEFT_OUT, GEMMA_NAMES
from maps.weights.family import GGUF_HEAD_NORMS, GGUF_NAMES, HUB_HEAD_NORMS, Family, Place

GEMMA3 = Family(
    model_types=("gemma3_text", "gemma3"),
    architecture="gemma3",
    hub=Place(
        GEMMA_NAMES | HUB_HEAD_NORMS,
        less_one=True,
        prefixes=("model.", "", "language_model.model.", "model.language_model."),
    ),
    gguf=Place(GGUF_NAMES | GGUF_HEAD_NORMS),
    activation="gelu_pytorch_tanh",
    keys=GEMMA_KEYS,
    left_out=GEMMA_LEFT_OUT,
    scaled=True,
    rowless=("<image_soft_token>",),
)
