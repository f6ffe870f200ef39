"""StarCoder 2: LayerNorms, and an MLP without gate; biases everywhere."""

from __future__ import annotations

from maps.weights.family import (
    CONFIG_KEYS,
    GGUF_NAMES,
    HUB_NAMES,
    MODEL_PREFIXES,
    Family,
    TensorLayout,
    without_roles,
)

NAMES = {
    **without_roles(HUB_NAMES, "mlp_gate"),
    "mlp_up": "model.layers.{i}.mlp.c_fc.weight",
    "mlp_down": "model.layers.{i}.mlp.c_proj.weight",
}

STARCODER2 = Family(
    model_types=("starcoder2",),
    architecture="starcoder2",
    hub=TensorLayout(NAMES, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(without_roles(GGUF_NAMES, "mlp_gate")),
    activation="gelu_pytorch_tanh",
    norm="LayerNorm",
    config_keys={**CONFIG_KEYS, "epsilon": "norm_epsilon"},
    config_defaults={"norm_epsilon": 1e-5, "num_key_value_heads": 2},
    ties_embeddings=True,
)
