"""Phi-3.5-MoE: LayerNorms, and a router that chooses its experts one after the other."""

from __future__ import annotations

from maps.weights.family import (
    GGUF_EXPERTS,
    GGUF_NAMES,
    HUB_MIXTRAL_EXPERTS,
    HUB_NAMES,
    MODEL_PREFIXES,
    Family,
    TensorLayout,
)
from maps.weights.shape import RoutingRule

PHIMOE = Family(
    model_types=("phimoe",),
    architecture="phimoe",
    hub=TensorLayout(HUB_NAMES | HUB_MIXTRAL_EXPERTS, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES | GGUF_EXPERTS),
    norm="LayerNorm",
    config_defaults={
        **{"rms_norm_eps": 1e-5, "num_key_value_heads": 8},
        **{"num_local_experts": 16, "num_experts_per_tok": 2},
    },
    gguf_key_names={"epsilon": "attention.layer_norm_rms_epsilon"},  # though they are LayerNorms
    routing=RoutingRule("sparsemixer"),
)
