"""Phi-1 and Phi-2: attention and MLP side by side behind one shared norm."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_KEYS, HUB_NAMES, MODEL, Family, Place, without

NAMES = {
    **without(HUB_NAMES, "mlp_gate"),
    "output": "model.layers.{i}.self_attn.dense.weight",
    "mlp_norm": "model.layers.0.input_layernorm.weight",
    "mlp_up": "model.layers.0.mlp.fc1.weight",
    "mlp_down": "model.layers.0.mlp.fc2.weight",
    "final_norm": "model.final_layernorm.weight",
}

PHI = Family(
    model_types=("phi",),
    architecture="phi2",
    hub=Place(NAMES, prefixes=MODEL),
    gguf=Place({**without(GGUF_NAMES, "mlp_gate"), "mlp_norm": "blk.0.attn_norm.weight"}),
    activation="gelu_new",
    norm="LayerNorm",
    keys={**without(HUB_KEYS, "head_width"), "epsilon": "layer_norm_eps"},
    left_out={"layer_norm_eps": 1e-5},
    biased=True,
)
