"""Muse Glimmer: normed embeddings, norms before and after attention and MLP, and a gate behind each head.

The gate multiplies what a head writes, entry by entry, by what the query's token gives: W_V W_O is the open gate.
"""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.gemma2 import GEMMA2, GEMMA_NAMES
from maps.weights.family import MODEL_PREFIXES, TensorLayout

MUSE_GLIMMER = replace(
    GEMMA2,
    model_types=("muse_glimmer_text", "muse_glimmer"),
    architecture=None,
    hub=TensorLayout(GEMMA_NAMES, norms_minus_one=True, whole_norms=("final_norm",), prefixes=MODEL_PREFIXES),
    gguf=None,
    activation="silu",
    config_defaults={"rms_norm_eps": 1e-5, "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128},
    scales_embeddings=False,
    norms_embeddings=True,
    norms_heads=True,
    ties_embeddings=False,
    is_run=False,
)
