"""Mixtral and MiniMax-M2: like Mistral, with a mixture of experts in the place of each MLP."""

from __future__ import annotations

from maps.weights.family import (
    GGUF_EXPERTS,
    GGUF_HEAD_NORMS,
    GGUF_NAMES,
    HUB_HEAD_NORMS,
    HUB_MIXTRAL_EXPERTS,
    HUB_NAMES,
    MODEL_PREFIXES,
    Family,
    TensorLayout,
)
from maps.weights.shape import RoutingRule

MIXTRAL = Family(
    model_types=("mixtral",),
    architecture="llama",  # as Llama; the experts' tensors tell them apart
    hub=TensorLayout(HUB_NAMES | HUB_MIXTRAL_EXPERTS, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES | GGUF_EXPERTS),
    config_defaults={
        **{"rms_norm_eps": 1e-5, "num_key_value_heads": 8},
        **{"num_local_experts": 8, "num_experts_per_tok": 2},
    },
    routing=RoutingRule(),
)
MINIMAX_M2 = Family(
    model_types=("minimax_m2",),
    architecture="minimax-m2",
    hub=TensorLayout(
        {
            **(HUB_NAMES | HUB_MIXTRAL_EXPERTS | HUB_HEAD_NORMS),
            "mlp_choice_bias": "model.layers.{i}.block_sparse_moe.e_score_correction_bias",
        },
        prefixes=MODEL_PREFIXES,
    ),
    gguf=TensorLayout(GGUF_NAMES | GGUF_EXPERTS | GGUF_HEAD_NORMS),
    config_defaults={
        **{"rms_norm_eps": 1e-6, "num_key_value_heads": 8, "head_dim": 128},
        **{"num_local_experts": 256, "num_experts_per_tok": 8},
    },
    routing=RoutingRule("sigmoid"),
)
