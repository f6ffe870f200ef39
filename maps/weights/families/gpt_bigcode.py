"""StarCoder and SantaCoder: like GPT-2, with one key and value for all heads, or one for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from maps.weights.families.gpt2 import GPT2, NAMES
from maps.weights.family import FUSED_QKV, GROUPED_QKV, Family, TensorLayout


def choose_variant(config: Mapping[str, Any], _names: Collection[str]) -> Family:
    """By whether the heads share one key and value; files of GGUF say it themselves."""
    if config.get("multi_query", True):
        return GPT_BIGCODE
    hub = TensorLayout(NAMES, GROUPED_QKV, prefixes=("transformer.", ""))
    return replace(GPT_BIGCODE, hub=hub, fixed_entries={"kv_heads": None})


GPT_BIGCODE = replace(
    GPT2,
    model_types=("gpt_bigcode",),
    architecture="starcoder",
    hub=TensorLayout(NAMES, FUSED_QKV, prefixes=("transformer.", "")),
    activation="gelu_pytorch_tanh",
    config_keys={**GPT2.config_keys, "kv_heads": "kv_heads"},
    fixed_entries={"kv_heads": 1},
    choose_variant=choose_variant,
)
