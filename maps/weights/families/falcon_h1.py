"""Falcon-H1: heads and a state-space layer side by side in every layer, with factors on many weights.

GGUF files have the factors in the weights.
"""

from __future__ import annotations

from maps.errors import MapsError
from maps.weights.family import CONFIG_KEYS, GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout
from maps.weights.shape import ConfigEntries

LAYER = "model.layers.{i}"


def read_factors(entries: ConfigEntries) -> tuple[tuple[str, float], ...]:
    """What the model multiplies the weights of each role by; raises MapsError if an entry is damaged."""
    mlp = entries.values.get("mlp_multipliers") or [1.0, 1.0]
    if not (isinstance(mlp, list) and len(mlp) == 2 and all(type(each) in (int, float) for each in mlp)):
        raise MapsError(f"{entries.origin} has no two numbers for mlp_multipliers, so the model cannot be mapped.")
    read = entries.factor("attention_in_multiplier")
    return (
        ("query", read),
        ("key", read * entries.factor("key_multiplier")),
        ("value", read),
        ("output", entries.factor("attention_out_multiplier")),
        ("mlp_gate", float(mlp[0])),
        ("mlp_down", float(mlp[1])),
    )


FALCON_H1 = Family(
    model_types=("falcon_h1",),
    architecture="falcon-h1",
    hub=TensorLayout(
        {
            **HUB_NAMES,
            "mlp_norm": f"{LAYER}.pre_ff_layernorm.weight",
            **{f"mlp_{part}": f"{LAYER}.feed_forward.{part}_proj.weight" for part in ("gate", "up", "down")},
            "final_norm": "model.final_layernorm.weight",
        },
        prefixes=MODEL_PREFIXES,
    ),
    gguf=TensorLayout({**GGUF_NAMES, "mlp_norm": "blk.{i}.ffn_norm"}),  # so named by llama.cpp
    config_keys={**CONFIG_KEYS, "embedding_scale": "embedding_multiplier"},
    config_defaults={"rms_norm_eps": 1e-5, "num_key_value_heads": 8},
    read_factors=read_factors,
    is_run=False,
)
