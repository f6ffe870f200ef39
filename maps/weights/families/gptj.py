"""GPT-J: attention and MLP in parallel, with one norm for both; only the MLP has biases."""

from __future__ import annotations

from maps.weights.families.gpt2 import GPT2
from maps.weights.family import Family, TensorLayout

NAMES = {
    "embedding": "transformer.wte.weight",
    "unembedding": "lm_head.weight",
    "query": "transformer.h.{i}.attn.q_proj.weight",
    "key": "transformer.h.{i}.attn.k_proj.weight",
    "value": "transformer.h.{i}.attn.v_proj.weight",
    "output": "transformer.h.{i}.attn.out_proj.weight",
    "attn_norm": "transformer.h.{i}.ln_1.weight",
    "mlp_norm": "transformer.h.{i}.ln_1.weight",
    "mlp_up": "transformer.h.{i}.mlp.fc_in.weight",
    "mlp_down": "transformer.h.{i}.mlp.fc_out.weight",
    "final_norm": "transformer.ln_f.weight",
}

GPTJ = Family(
    model_types=("gptj",),
    architecture=None,
    hub=TensorLayout(NAMES, prefixes=("transformer.", "")),
    gguf=None,
    activation="gelu_new",
    norm="LayerNorm",
    config_keys=GPT2.config_keys,
    config_defaults=GPT2.config_defaults,
)
