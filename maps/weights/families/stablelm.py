"""StableLM: like Llama with LayerNorms; some models run attention and MLP in parallel, with one norm for both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from maps.weights.family import CONFIG_KEYS, GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

HUB = TensorLayout(HUB_NAMES, prefixes=MODEL_PREFIXES)
GGUF = TensorLayout(GGUF_NAMES)


def choose_variant(_config: Mapping[str, Any], names: Collection[str]) -> Family:
    """Parallel where the MLP has no norm of its own."""
    if any(name in names for layout in (HUB, GGUF) for name in layout.candidate_names("mlp_norm")):
        return STABLELM
    return replace(
        STABLELM,
        hub=replace(HUB, names={**HUB_NAMES, "mlp_norm": HUB_NAMES["attn_norm"]}),
        gguf=replace(GGUF, names={**GGUF_NAMES, "mlp_norm": GGUF_NAMES["attn_norm"]}),
    )


STABLELM = Family(
    model_types=("stablelm",),
    architecture="stablelm",
    hub=HUB,
    gguf=GGUF,
    norm="LayerNorm",
    config_keys={**CONFIG_KEYS, "epsilon": "layer_norm_eps"},
    config_defaults={"layer_norm_eps": 1e-5},
    choose_variant=choose_variant,
)
