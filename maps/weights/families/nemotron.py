"""Nemotron: LayerNorms whose gain is stored less one, and an MLP without gate."""

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

NEMOTRON = Family(
    model_types=("nemotron",),
    architecture="nemotron",
    hub=TensorLayout(without_roles(HUB_NAMES, "mlp_gate"), norms_minus_one=True, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(without_roles(GGUF_NAMES, "mlp_gate")),  # stores whole gains
    activation="relu2",
    norm="LayerNorm",
    config_keys={**CONFIG_KEYS, "epsilon": "norm_eps"},
    config_defaults={"norm_eps": 1e-5},
)
