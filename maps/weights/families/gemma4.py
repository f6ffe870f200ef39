"""Gemma 4: layers of two kinds, whose heads differ in number and width.

Some layers that see the whole text have no values of their own: their keys, before the norm, are their values. In the
small models the last layers read the values of an earlier layer. A norm without gain divides each value by one number,
which is left out, as with latents.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from maps.weights.families.gemma2 import GEMMA2, GEMMA_GGUF_NAMES, GEMMA_NAMES
from maps.weights.family import GGUF_HEAD_NORMS, HUB_HEAD_NORMS, MODEL_PREFIXES, Family, LayerKinds, TensorLayout
from maps.weights.shape import RoutingRule

LAYER = "model.layers.{i}"
EXPERTS = {
    "mlp_router": f"{LAYER}.router.proj.weight",
    "mlp_router_gain": f"{LAYER}.router.scale",
    "mlp_expert_scales": f"{LAYER}.router.per_expert_scale",
    "mlp_experts_gate_up": f"{LAYER}.experts.gate_up_proj",
    "mlp_experts_down": f"{LAYER}.experts.down_proj",
    "mlp_experts_norm": f"{LAYER}.pre_feedforward_layernorm_2.weight",
    "mlp_experts_post_norm": f"{LAYER}.post_feedforward_layernorm_2.weight",
    "mlp_dense_post_norm": f"{LAYER}.post_feedforward_layernorm_1.weight",
}
EXPERTS_IN_GGUF = {
    "mlp_router": "blk.{i}.ffn_gate_inp.weight",
    "mlp_router_gain": "blk.{i}.ffn_gate_inp.scale",
    "mlp_expert_scales": "blk.{i}.ffn_down_exps.scale",
    "mlp_experts_gate_up": "blk.{i}.ffn_gate_up_exps.weight",
    "mlp_experts_down": "blk.{i}.ffn_down_exps.weight",
    "mlp_experts_norm": "blk.{i}.pre_ffw_norm_2.weight",
    "mlp_experts_post_norm": "blk.{i}.post_ffw_norm_2.weight",
    "mlp_dense_post_norm": "blk.{i}.post_ffw_norm_1.weight",
}


def choose_variant(_config: Mapping[str, Any], names: Collection[str]) -> Family:
    """With a mixture of experts beside the MLP, or without."""
    if any(name.endswith(("router.proj.weight", "ffn_gate_inp.weight")) for name in names):
        return replace(GEMMA4, routing=RoutingRule(chosen_key="top_k_experts"))
    return GEMMA4


GEMMA4 = replace(
    GEMMA2,
    model_types=("gemma4_text", "gemma4", "gemma4_unified_text", "gemma4_unified"),
    architecture="gemma4",
    hub=TensorLayout(GEMMA_NAMES | HUB_HEAD_NORMS | EXPERTS, prefixes=MODEL_PREFIXES, keys_may_be_values=True),
    gguf=TensorLayout(GEMMA_GGUF_NAMES | GGUF_HEAD_NORMS | EXPERTS_IN_GGUF, keys_may_be_values=True),
    layer_kinds=LayerKinds(
        "layer_types",
        "num_kv_shared_layers",
        "attention.sliding_window_pattern",
        "attention.shared_kv_layers",
    ),
    is_run=False,
    choose_variant=choose_variant,
)
