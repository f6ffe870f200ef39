"""Arcee: like Llama, with an MLP without gate."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout, without_roles

ARCEE = Family(
    model_types=("arcee",),
    architecture="arcee",
    hub=TensorLayout(without_roles(HUB_NAMES, "mlp_gate"), prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(without_roles(GGUF_NAMES, "mlp_gate")),
    activation="relu2",
    config_defaults={"rms_norm_eps": 1e-5},
)
