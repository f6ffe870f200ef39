"""OLMoE: like Llama with a mixture of experts; one norm covers the queries of all heads, another the keys."""

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

OLMOE = Family(
    model_types=("olmoe",),
    architecture="olmoe",
    hub=TensorLayout(HUB_NAMES | HUB_EXPERTS | HUB_HEAD_NORMS, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES | GGUF_EXPERTS | GGUF_HEAD_NORMS),
    config_defaults={"rms_norm_eps": 1e-5, "num_experts": 64, "num_experts_per_tok": 8},
    routing=RoutingRule(normalises=False, normalises_in_gguf=False),
)
