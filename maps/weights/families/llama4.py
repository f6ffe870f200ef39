"""Llama 4: mixtures of experts in all layers or every second one, whose router scales what an expert reads."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.llama import LLAMA
from maps.weights.family import GGUF_EXPERTS, GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, TensorLayout
from maps.weights.shape import RoutingRule

MLP = "model.layers.{i}.feed_forward"
PARTS = ("gate", "up", "down")

LLAMA4 = replace(
    LLAMA,
    model_types=("llama4_text", "llama4"),
    architecture="llama4",
    hub=TensorLayout(
        {
            **HUB_NAMES,
            **{f"mlp_{part}": f"{MLP}.{part}_proj.weight" for part in PARTS},
            "mlp_router": f"{MLP}.router.weight",
            **{f"mlp_expert_{part}": f"{MLP}.experts.{{j}}.{part}_proj.weight" for part in PARTS},
            "mlp_experts_gate_up": f"{MLP}.experts.gate_up_proj",
            "mlp_experts_down": f"{MLP}.experts.down_proj",
            **{f"mlp_shared_{part}": f"{MLP}.shared_expert.{part}_proj.weight" for part in PARTS},
        },
        prefixes=MODEL_PREFIXES,
        experts_inputs_first=True,
    ),
    gguf=TensorLayout(GGUF_NAMES | GGUF_EXPERTS),
    config_defaults={
        **{"rms_norm_eps": 1e-5, "num_key_value_heads": 8, "head_dim": 128},
        **{"num_local_experts": 16, "num_experts_per_tok": 1},
    },
    routing=RoutingRule("sigmoid", normalises=False, normalises_in_gguf=False, scales_input=True),
    key_obstacle="normalises its queries and keys in some layers only",
    is_run=False,
)
