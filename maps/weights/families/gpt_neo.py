"""GPT-Neo: like GPT-2, with tensors of their own for query, key and value."""

from __future__ import annotations

from maps.weights.families.gpt2 import NAMES as GPT2_NAMES
from maps.weights.family import Family, TensorLayout

ATTENTION = "transformer.h.{i}.attn.attention"
NAMES = {
    **GPT2_NAMES,
    "query": f"{ATTENTION}.q_proj.weight",
    "key": f"{ATTENTION}.k_proj.weight",
    "value": f"{ATTENTION}.v_proj.weight",
    "output": f"{ATTENTION}.out_proj.weight",
}

GPT_NEO = Family(
    model_types=("gpt_neo",),
    architecture=None,
    hub=TensorLayout(NAMES, prefixes=("transformer.", "")),
    gguf=None,
    activation="gelu_new",
    norm="LayerNorm",
    config_keys={
        "layers": "num_layers",
        "heads": "num_heads",
        "width": "hidden_size",
        "epsilon": "layer_norm_epsilon",
        "activation": "activation_function",
    },
    config_defaults={"layer_norm_epsilon": 1e-5},
    ties_embeddings=True,
)
