"""OLMoE: like Qwen3 with a mixture of experts, but one norm covers the queries of all heads, another the keys."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.qwen_moe import QWEN3_MOE
from maps.weights.shape import RoutingRule

OLMOE = replace(
    QWEN3_MOE,
    model_types=("olmoe",),
    architecture="olmoe",
    config_defaults={"rms_norm_eps": 1e-5, "num_experts": 64, "num_experts_per_tok": 8},
    routing=RoutingRule(normalises=False, normalises_in_gguf=False),
)
