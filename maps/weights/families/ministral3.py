"""Ministral 3: like Mistral."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.mistral import MISTRAL

MINISTRAL3 = replace(
    MISTRAL,
    model_types=("ministral3",),
    architecture="mistral3",
    config_defaults={"rms_norm_eps": 1e-5, "num_key_value_heads": 8, "head_dim": 128},
)
