"""ERNIE 4.5's dense models: like Llama, with a head width independent of the width."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.llama import LLAMA

ERNIE4_5 = replace(
    LLAMA,
    model_types=("ernie4_5",),
    architecture="ernie4_5",
    config_defaults={"rms_norm_eps": 1e-5, "num_key_value_heads": 2, "head_dim": 128},
    ties_embeddings=True,
)
