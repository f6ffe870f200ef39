"""Command R and Aya (Cohere and Cohere 2): attention and MLP in parallel, with one LayerNorm without bias for both."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.family import CONFIG_KEYS, GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

COHERE = Family(
    model_types=("cohere",),
    architecture="command-r",
    hub=TensorLayout({**HUB_NAMES, "mlp_norm": HUB_NAMES["attn_norm"]}, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout({**GGUF_NAMES, "mlp_norm": GGUF_NAMES["attn_norm"]}),
    norm="LayerNorm",
    config_keys={**CONFIG_KEYS, "epsilon": "layer_norm_eps"},
    config_defaults={"layer_norm_eps": 1e-5},
    ties_embeddings=True,
)
COHERE2 = replace(COHERE, model_types=("cohere2",), architecture="cohere2")
