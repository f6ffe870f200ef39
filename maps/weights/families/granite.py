"""Granite, with or without a mixture of experts: like Llama, with factors of the embeddings and of what blocks add."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.llama import LLAMA
from maps.weights.family import (
    CONFIG_KEYS,
    GGUF_EXPERTS,
    GGUF_NAMES,
    HUB_NAMES,
    MODEL_PREFIXES,
    TensorLayout,
    without_roles,
)
from maps.weights.shape import RoutingRule

GRANITE = replace(
    LLAMA,
    model_types=("granite",),
    architecture="granite",
    config_keys={**CONFIG_KEYS, "embedding_scale": "embedding_multiplier", "residual_scale": "residual_multiplier"},
)
EXPERTS = "model.layers.{i}.block_sparse_moe"
GRANITE_MOE = replace(
    GRANITE,
    model_types=("granitemoe",),
    architecture="granitemoe",
    hub=TensorLayout(
        {
            **without_roles(HUB_NAMES, "mlp_gate", "mlp_up", "mlp_down"),
            "mlp_router": f"{EXPERTS}.router.layer.weight",
            "mlp_experts_gate_up": f"{EXPERTS}.input_linear.weight",
            "mlp_experts_down": f"{EXPERTS}.output_linear.weight",
        },
        prefixes=MODEL_PREFIXES,
    ),
    gguf=TensorLayout(GGUF_NAMES | GGUF_EXPERTS),
    config_defaults={"rms_norm_eps": 1e-6, "num_local_experts": 8, "num_experts_per_tok": 2},
    routing=RoutingRule(),
)
