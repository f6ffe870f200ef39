"""GLM-4.5 to 4.7: a plain MLP in the first layers, then mixtures of experts beside an MLP for every token."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

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
    without_roles,
)
from maps.weights.shape import RoutingRule

SHARED = {
    **{
        f"mlp_shared_{part}": f"model.layers.{{i}}.mlp.shared_experts.{part}_proj.weight"
        for part in ("gate", "up", "down")
    },
    "mlp_choice_bias": "model.layers.{i}.mlp.gate.e_score_correction_bias",
}


def choose_variant(_config: Mapping[str, Any], names: Collection[str]) -> Family:
    """With norms of queries and keys, or without."""
    if any(name.endswith(("q_norm.weight", "attn_q_norm.weight")) for name in names):
        return GLM4_MOE
    assert GLM4_MOE.gguf is not None
    hub, gguf = (
        replace(layout, names=without_roles(layout.names, "query_norm", "key_norm"))
        for layout in (GLM4_MOE.hub, GLM4_MOE.gguf)
    )
    return replace(GLM4_MOE, hub=hub, gguf=gguf)


GLM4_MOE = Family(
    model_types=("glm4_moe",),
    architecture="glm4moe",
    hub=TensorLayout(HUB_NAMES | HUB_EXPERTS | SHARED | HUB_HEAD_NORMS, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(
        {**(GGUF_NAMES | GGUF_EXPERTS | GGUF_HEAD_NORMS), "mlp_norm": "blk.{i}.post_attention_norm.weight"}
    ),
    config_defaults={
        **{"rms_norm_eps": 1e-5, "num_key_value_heads": 8},
        **{"n_routed_experts": 128, "num_experts_per_tok": 8},
    },
    routing=RoutingRule("sigmoid"),
    choose_variant=choose_variant,
)
