"""Phi-1 and Phi-2: attention and MLP run in parallel, with one norm in front of both."""

from __future__ import annotations

from maps.weights.family import CONFIG_KEYS, GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout, without_roles

NAMES = {
    **without_roles(HUB_NAMES, "mlp_gate"),
    "output": "model.layers.{i}.self_attn.dense.weight",
    "mlp_norm": "model.layers.{i}.input_layernorm.weight",
    "mlp_up": "model.layers.{i}.mlp.fc1.weight",
    "mlp_down": "model.layers.{i}.mlp.fc2.weight",
    "final_norm": "model.final_layernorm.weight",
}

PHI = Family(
    model_types=("phi",),
    architecture="phi2",
    hub=TensorLayout(NAMES, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout({**without_roles(GGUF_NAMES, "mlp_gate"), "mlp_norm": "blk.{i}.attn_norm.weight"}),
    activation="gelu_new",
    norm="LayerNorm",
    config_keys={**without_roles(CONFIG_KEYS, "head_width"), "epsilon": "layer_norm_eps"},
    config_defaults={"layer_norm_eps": 1e-5},
    has_biases=True,
)
