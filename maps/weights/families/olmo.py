"""OLMo 1: LayerNorms without gain and bias."""

from __future__ import annotations

from maps.weights.family import CONFIG_KEYS, GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

OLMO = Family(
    model_types=("olmo",),
    architecture="olmo",
    hub=TensorLayout(HUB_NAMES, prefixes=MODEL_PREFIXES),  # the norms' names are those of modules without weights
    gguf=TensorLayout(GGUF_NAMES),
    norm="LayerNorm",
    config_keys={**CONFIG_KEYS, "epsilon": "layer_norm_eps"},
    config_defaults={"layer_norm_eps": 1e-5},
    norms_have_weights=False,
)
