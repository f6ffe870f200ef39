"""Gemma 3: as Gemma 2, and queries and keys are normed; with pictures (`gemma3`) its text model is nested in
configuration and names.

All sizes share a tokenizer, also those without pictures, which have no row for the token that stands for one.
"""

from __future__ import annotations

from maps.weights.families.gemma2 import GEMMA_CONFIG_DEFAULTS, GEMMA_CONFIG_KEYS, GEMMA_NAMES
from maps.weights.family import GGUF_HEAD_NORMS, GGUF_NAMES, HUB_HEAD_NORMS, Family, TensorLayout

GEMMA3 = Family(
    model_types=("gemma3_text", "gemma3"),
    architecture="gemma3",
    hub=TensorLayout(
        GEMMA_NAMES | HUB_HEAD_NORMS,
        norms_minus_one=True,
        prefixes=("model.", "", "language_model.model.", "model.language_model."),
    ),
    gguf=TensorLayout(GGUF_NAMES | GGUF_HEAD_NORMS),
    activation="gelu_pytorch_tanh",
    config_keys=GEMMA_CONFIG_KEYS,
    config_defaults=GEMMA_CONFIG_DEFAULTS,
    scales_embeddings=True,
    tokens_without_rows=("<image_soft_token>",),
)
