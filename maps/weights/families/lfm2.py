"""LFM2, with or without a mixture of experts: some layers have heads, the others convolutions, which are not read."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.family import (
    CONFIG_KEYS,
    GGUF_EXPERTS,
    GGUF_HEAD_NORMS,
    GGUF_NAMES,
    HUB_NAMES,
    MODEL_PREFIXES,
    Family,
    TensorLayout,
    without_roles,
)
from maps.weights.shape import RoutingRule

LAYER = "model.layers.{i}"
NAMES = {
    **HUB_NAMES,
    "output": f"{LAYER}.self_attn.out_proj.weight",
    "query_norm": f"{LAYER}.self_attn.q_layernorm.weight",
    "key_norm": f"{LAYER}.self_attn.k_layernorm.weight",
    "attn_norm": f"{LAYER}.operator_norm.weight",
    "mlp_norm": f"{LAYER}.ffn_norm.weight",
    "mlp_gate": f"{LAYER}.feed_forward.w1.weight",
    "mlp_up": f"{LAYER}.feed_forward.w3.weight",
    "mlp_down": f"{LAYER}.feed_forward.w2.weight",
    "final_norm": "model.embedding_norm.weight",
}
EXPERTS = {
    "mlp_router": f"{LAYER}.feed_forward.gate.weight",
    "mlp_choice_bias": f"{LAYER}.feed_forward.expert_bias",
    "mlp_expert_gate": f"{LAYER}.feed_forward.experts.{{j}}.w1.weight",
    "mlp_expert_up": f"{LAYER}.feed_forward.experts.{{j}}.w3.weight",
    "mlp_expert_down": f"{LAYER}.feed_forward.experts.{{j}}.w2.weight",
}
NAMES_IN_GGUF = {**(GGUF_NAMES | GGUF_HEAD_NORMS), "final_norm": "token_embd_norm.weight"}

LFM2 = Family(
    model_types=("lfm2",),
    architecture="lfm2",
    hub=TensorLayout(NAMES, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(NAMES_IN_GGUF),
    config_keys={**without_roles(CONFIG_KEYS, "activation", "head_width"), "epsilon": "norm_eps"},
    config_defaults={"norm_eps": 1e-5, "num_key_value_heads": 8},
    has_layers_without_heads=True,
    ties_embeddings=True,
)
LFM2_MOE = replace(
    LFM2,
    model_types=("lfm2_moe",),
    architecture="lfm2moe",
    hub=TensorLayout(NAMES | EXPERTS, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(NAMES_IN_GGUF | GGUF_EXPERTS),
    config_defaults={"norm_eps": 1e-5, "num_key_value_heads": 8, "num_experts": 32, "num_experts_per_tok": 4},
    routing=RoutingRule("sigmoid"),
)
