"""Qwen2 and Qwen3 with mixtures of experts: some layers may have a plain MLP; Qwen2 adds an MLP for every token."""

from __future__ import annotations

from maps.weights.family import (
    GGUF_EXPERTS,
    GGUF_HEAD_NORMS,
    GGUF_NAMES,
    HUB_EXPERTS,
    HUB_HEAD_NORMS,
    HUB_NAMES,
    MODEL_PREFIXES,
    Family,
    TensorLayout,
)
from maps.weights.shape import RoutingRule

SHARED = {
    **{
        f"mlp_shared_{part}": f"model.layers.{{i}}.mlp.shared_expert.{part}_proj.weight"
        for part in ("gate", "up", "down")
    },
    "mlp_shared_share": "model.layers.{i}.mlp.shared_expert_gate.weight",
}

QWEN2_MOE = Family(
    model_types=("qwen2_moe",),
    architecture="qwen2moe",
    hub=TensorLayout(HUB_NAMES | HUB_EXPERTS | SHARED, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES | GGUF_EXPERTS),
    config_defaults={"rms_norm_eps": 1e-6, "num_experts": 60, "num_experts_per_tok": 4},
    routing=RoutingRule(normalises=False, normalises_in_gguf=False),
)
QWEN3_MOE = Family(
    model_types=("qwen3_moe",),
    architecture="qwen3moe",
    hub=TensorLayout(HUB_NAMES | HUB_EXPERTS | HUB_HEAD_NORMS, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES | GGUF_EXPERTS | GGUF_HEAD_NORMS),
    config_defaults={"rms_norm_eps": 1e-6, "num_key_value_heads": 4, "num_experts_per_tok": 8},
    routing=RoutingRule(normalises=False),
)
