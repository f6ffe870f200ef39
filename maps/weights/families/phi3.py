"""Phi-3: like Llama, with query, key and value in one tensor, and gate and up in another."""

from __future__ import annotations

from maps.weights.family import FUSED_QKV, GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout, without_roles

GATE_AND_UP_ROLES = ("mlp_gate", "mlp_up")

PHI3 = Family(
    model_types=("phi3",),
    architecture="phi3",
    hub=TensorLayout(
        {
            **without_roles(HUB_NAMES, *GATE_AND_UP_ROLES, "query", "key"),
            "value": "model.layers.{i}.self_attn.qkv_proj.weight",
            "mlp_gate_up": "model.layers.{i}.mlp.gate_up_proj.weight",
        },
        FUSED_QKV,
        prefixes=MODEL_PREFIXES,
    ),
    gguf=TensorLayout({**without_roles(GGUF_NAMES, *GATE_AND_UP_ROLES), "mlp_gate_up": "blk.{i}.ffn_up.weight"}),
    config_defaults={"rms_norm_eps": 1e-5},
)
