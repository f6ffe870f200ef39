"""gpt-oss: biases everywhere, and experts whose gate and up take turns in one tensor and are clamped.

Attention sinks take a share of every head's attention; what a head reads and writes is linear as in other models.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

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

DENSE = ("mlp_gate", "mlp_up", "mlp_down")
EXPERTS = "model.layers.{i}.mlp.experts"
NAMES = {
    **without_roles(HUB_NAMES, *DENSE),
    "mlp_router": "model.layers.{i}.mlp.router.weight",
    "mlp_experts_gate_up": f"{EXPERTS}.gate_up_proj",
    "mlp_experts_gate_up_bias": f"{EXPERTS}.gate_up_proj_bias",
    "mlp_experts_down": f"{EXPERTS}.down_proj",
    "mlp_experts_down_bias": f"{EXPERTS}.down_proj_bias",
}

PACKED_NAMES = {  # MXFP4, as OpenAI publishes it: outputs come first there
    **NAMES,
    **{f"mlp_experts_{part}": f"{EXPERTS}.{part}_proj_blocks" for part in ("gate_up", "down")},
    **{f"mlp_experts_{part}_scales": f"{EXPERTS}.{part}_proj_scales" for part in ("gate_up", "down")},
}


def choose_variant(_config: Mapping[str, Any], names: Collection[str]) -> Family:
    """With experts in MXFP4, or not."""
    if not any(name.endswith("_proj_blocks") for name in names):
        return GPT_OSS
    hub = TensorLayout(PACKED_NAMES, prefixes=MODEL_PREFIXES, experts_interleaved=True)
    return replace(GPT_OSS, hub=hub)


GPT_OSS = Family(
    model_types=("gpt_oss",),
    architecture="gpt-oss",
    hub=TensorLayout(NAMES, prefixes=MODEL_PREFIXES, experts_inputs_first=True, experts_interleaved=True),
    gguf=TensorLayout(
        {
            **without_roles(GGUF_NAMES, *DENSE),
            **GGUF_EXPERTS,
            "mlp_norm": "blk.{i}.post_attention_norm.weight",
        }
    ),
    activation="clamped_glu",
    config_keys=without_roles(CONFIG_KEYS, "activation"),
    config_defaults={
        **{"rms_norm_eps": 1e-5, "num_key_value_heads": 8, "head_dim": 64},
        **{"num_local_experts": 128, "num_experts_per_tok": 4},
    },
    routing=RoutingRule(),
    choose_variant=choose_variant,
)
