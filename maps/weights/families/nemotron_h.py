"""Nemotron-H: a layer is attention, a state-space layer, an MLP, or a mixture of experts, each with a norm in front.

MLP₀ is the first layer that is an MLP or a mixture.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from maps.weights.family import (
    CONFIG_KEYS,
    GGUF_EXPERTS,
    GGUF_NAMES,
    Family,
    TensorLayout,
    without_roles,
)
from maps.weights.shape import RoutingRule

LAYER = "backbone.layers.{i}"
MIXER = f"{LAYER}.mixer"
NAMES = {
    "embedding": "backbone.embeddings.weight",
    "unembedding": "lm_head.weight",
    "query": f"{MIXER}.q_proj.weight",
    "key": f"{MIXER}.k_proj.weight",
    "value": f"{MIXER}.v_proj.weight",
    "output": f"{MIXER}.o_proj.weight",
    "attn_norm": f"{LAYER}.norm.weight",
    "mlp_norm": f"{LAYER}.norm.weight",
    "mlp_up": f"{MIXER}.up_proj.weight",
    "mlp_down": f"{MIXER}.down_proj.weight",
    "final_norm": "backbone.norm_f.weight",
}
EXPERTS = {
    "mlp_router": f"{MIXER}.gate.weight",
    "mlp_choice_bias": f"{MIXER}.gate.e_score_correction_bias",
    "mlp_experts_up": f"{MIXER}.experts.up_proj",
    "mlp_experts_down": f"{MIXER}.experts.down_proj",
    **{f"mlp_expert_{part}": f"{MIXER}.experts.{{j}}.{part}_proj.weight" for part in ("up", "down")},
    **{f"mlp_shared_{part}": f"{MIXER}.shared_experts.{part}_proj.weight" for part in ("up", "down")},
    "mlp_latent_in": f"{MIXER}.fc1_latent_proj.weight",
    "mlp_latent_out": f"{MIXER}.fc2_latent_proj.weight",
}
NAMES_IN_GGUF = {**without_roles(GGUF_NAMES, "mlp_gate", "value_fused"), "mlp_norm": "blk.{i}.attn_norm.weight"}
LATENTS_IN_GGUF = {
    "mlp_latent_in": "blk.{i}.ffn_latent_down.weight",
    "mlp_latent_out": "blk.{i}.ffn_latent_up.weight",
}


def choose_variant(config: Mapping[str, Any], names: Collection[str]) -> Family:
    """With mixtures of experts, or without; newer configurations list the layers and do not count them."""
    kinds = config.get("layers_block_type")
    entries = {"num_hidden_layers": len(kinds)} if isinstance(kinds, list) else {}
    has_experts = any(".experts." in name for name in names)
    return replace(NEMOTRON_H, fixed_entries=entries, routing=RoutingRule("sigmoid") if has_experts else None)


NEMOTRON_H = Family(
    model_types=("nemotron_h",),
    architecture="nemotron_h",
    hub=TensorLayout(NAMES | EXPERTS, prefixes=("backbone.", "", "model.", "language_model.backbone.")),
    gguf=TensorLayout(NAMES_IN_GGUF),
    activation="relu2",
    config_keys={**CONFIG_KEYS, "epsilon": "layer_norm_epsilon", "activation": "mlp_hidden_act"},
    config_defaults={
        **{"layer_norm_epsilon": 1e-5, "num_key_value_heads": 8, "head_dim": 128},
        **{"n_routed_experts": 8, "num_experts_per_tok": 2},
    },
    has_layers_without_heads=True,
    choose_variant=choose_variant,
)
NEMOTRON_H_MOE = replace(
    NEMOTRON_H,
    model_types=(),
    architecture="nemotron_h_moe",
    gguf=TensorLayout(
        NAMES_IN_GGUF | without_roles(GGUF_EXPERTS, "mlp_experts_gate", "mlp_shared_gate") | LATENTS_IN_GGUF
    ),
    routing=RoutingRule("sigmoid"),
    choose_variant=None,
)
