"""Qwen3.5 and Qwen3-Next: every fourth layer has heads, the others linear attention, which is not read.

A head's write is multiplied by a gate that the query's token opens, entry by entry: W_V W_O is the open gate. Norms
store their gain less one.
"""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.qwen_moe import SHARED
from maps.weights.family import (
    GATED_QKV,
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

NAMES = HUB_NAMES | HUB_HEAD_NORMS
NAMES_IN_GGUF = {**(GGUF_NAMES | GGUF_HEAD_NORMS), "mlp_norm": "blk.{i}.post_attention_norm.weight"}

QWEN3_5 = Family(
    model_types=("qwen3_5_text", "qwen3_5"),
    architecture="qwen35",
    hub=TensorLayout(NAMES, GATED_QKV, norms_minus_one=True, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(NAMES_IN_GGUF, GATED_QKV),  # stores whole gains
    config_defaults={"rms_norm_eps": 1e-6, "num_key_value_heads": 4, "head_dim": 256},
    has_layers_without_heads=True,
)
QWEN3_5_MOE = replace(
    QWEN3_5,
    model_types=("qwen3_5_moe_text", "qwen3_5_moe"),
    architecture="qwen35moe",
    hub=TensorLayout(NAMES | HUB_EXPERTS | SHARED, GATED_QKV, norms_minus_one=True, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(NAMES_IN_GGUF | GGUF_EXPERTS, GATED_QKV),
    config_defaults={
        **{"rms_norm_eps": 1e-6, "num_key_value_heads": 2, "head_dim": 256},
        **{"num_experts": 256, "num_experts_per_tok": 8},
    },
    routing=RoutingRule(),
)
QWEN3_NEXT = replace(
    QWEN3_5_MOE,
    model_types=("qwen3_next",),
    architecture="qwen3next",
    config_defaults={
        **{"rms_norm_eps": 1e-6, "num_key_value_heads": 2, "head_dim": 256},
        **{"num_experts": 512, "num_experts_per_tok": 10},
    },
)
