"""Granite, with or without a mixture of experts: like Llama, with factors of the embeddings and of what blocks add."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from maps.weights.families.llama import LLAMA
from maps.weights.family import (
    CONFIG_KEYS,
    GGUF_EXPERTS,
    GGUF_NAMES,
    HUB_NAMES,
    MODEL_PREFIXES,
    Family,
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


HYBRID_NAMES = {
    **without_roles(HUB_NAMES, "mlp_gate", "mlp_up"),
    "mlp_gate_up": "model.layers.{i}.shared_mlp.input_linear.weight",
    "mlp_down": "model.layers.{i}.shared_mlp.output_linear.weight",
}
HYBRID_EXPERT_NAMES = {
    **GRANITE_MOE.hub.names,
    "mlp_shared_gate_up": HYBRID_NAMES["mlp_gate_up"],
    "mlp_shared_down": HYBRID_NAMES["mlp_down"],
}


def choose_variant(_config: Mapping[str, Any], names: Collection[str]) -> Family:
    """With a mixture of experts beside the MLP, or without."""
    if any(".block_sparse_moe." in name or "_exps." in name for name in names):
        hub = TensorLayout(HYBRID_EXPERT_NAMES, prefixes=MODEL_PREFIXES)
        return replace(GRANITE_HYBRID, hub=hub, gguf=GRANITE_MOE.gguf, routing=RoutingRule())
    return GRANITE_HYBRID


GRANITE_HYBRID = replace(  # some layers have heads, the others are state-space layers, which are not read
    GRANITE,
    model_types=("granitemoehybrid",),
    architecture="granitehybrid",
    hub=TensorLayout(HYBRID_NAMES, prefixes=MODEL_PREFIXES),
    config_defaults={"rms_norm_eps": 1e-6, "num_local_experts": 8, "num_experts_per_tok": 2},
    has_layers_without_heads=True,
    choose_variant=choose_variant,
)
