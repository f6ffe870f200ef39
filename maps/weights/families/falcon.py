"""Falcon of three kinds: 40B and 180B share each key and value among a group of queries, 7B has one for all heads,
1B one for each head. Falcon 3 is `llama`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from maps.weights.family import (
    CONFIG_KEYS,
    FUSED_QKV,
    GGUF_NAMES,
    GROUPED_QKV,
    Family,
    TensorLayout,
    without_roles,
)

INPUT_NORM = "transformer.h.{i}.input_layernorm.weight"
NAMES = {
    "embedding": "transformer.word_embeddings.weight",
    "unembedding": "lm_head.weight",
    "value": "transformer.h.{i}.self_attention.query_key_value.weight",
    "output": "transformer.h.{i}.self_attention.dense.weight",
    "attn_norm": INPUT_NORM,
    "mlp_norm": INPUT_NORM,
    "mlp_up": "transformer.h.{i}.mlp.dense_h_to_4h.weight",
    "mlp_down": "transformer.h.{i}.mlp.dense_4h_to_h.weight",
    "final_norm": "transformer.ln_f.weight",
}
TWO_NORMS = {
    **NAMES,
    "attn_norm": "transformer.h.{i}.ln_attn.weight",
    "mlp_norm": "transformer.h.{i}.ln_mlp.weight",
}
GGUF = {**without_roles(GGUF_NAMES, "mlp_gate"), "mlp_norm": GGUF_NAMES["attn_norm"]}
SECOND_NORM = "blk.{i}.attn_norm_2.weight"  # attention's where there are two
PREFIXES = ("transformer.", "")


def choose_variant(config: Mapping[str, Any], names: Collection[str]) -> Family:
    """The kind of Falcon."""
    if SECOND_NORM.format(i=0) in names:
        return replace(FALCON, gguf=TensorLayout({**GGUF, "attn_norm": SECOND_NORM}))
    if config.get("new_decoder_architecture"):
        has_two_norms = any(name.endswith("h.0.ln_attn.weight") for name in names)
        return replace(FALCON, hub=TensorLayout(TWO_NORMS if has_two_norms else NAMES, GROUPED_QKV, prefixes=PREFIXES))
    own_names = NAMES
    if not config.get("parallel_attn", True):
        own_names = {**NAMES, "mlp_norm": "transformer.h.{i}.post_attention_layernorm.weight"}
    if config.get("multi_query", True):
        hub = TensorLayout(own_names, FUSED_QKV, prefixes=PREFIXES)
        return replace(FALCON, hub=hub, fixed_entries={"num_kv_heads": 1})
    hub = TensorLayout(own_names, GROUPED_QKV, prefixes=PREFIXES)
    return replace(FALCON, hub=hub, fixed_entries={"num_kv_heads": None})  # as many as heads


FALCON = Family(
    model_types=("falcon",),
    architecture="falcon",
    hub=TensorLayout(NAMES, GROUPED_QKV, prefixes=PREFIXES),
    gguf=TensorLayout(GGUF),
    activation="gelu",
    norm="LayerNorm",
    config_keys={
        **without_roles(CONFIG_KEYS, "head_width"),
        "kv_heads": "num_kv_heads",
        "epsilon": "layer_norm_epsilon",
        "activation": "activation",
    },
    config_defaults={"layer_norm_epsilon": 1e-5},
    choose_variant=choose_variant,
    ties_embeddings=True,
)
