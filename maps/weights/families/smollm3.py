"""SmolLM3: like Llama; every fourth layer without positions, which maps do not see."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.llama import LLAMA

SMOLLM3 = replace(
    LLAMA,
    model_types=("smollm3",),
    architecture="smollm3",
    config_defaults={"rms_norm_eps": 1e-6, "num_key_value_heads": 4},
    ties_embeddings=True,
)
