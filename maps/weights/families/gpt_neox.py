"""GPT-NeoX and Pythia: attention and MLP run in parallel, each with its own norm in front.

Query, key and value are in one tensor, interleaved head by head; in GGUF files they are three blocks of it.
"""

from __future__ import annotations

from maps.weights.family import CONFIG_KEYS, GGUF_NAMES, GROUPED_QKV, Family, TensorLayout, without_roles

NAMES = {
    "embedding": "gpt_neox.embed_in.weight",
    "unembedding": "embed_out.weight",
    "value": "gpt_neox.layers.{i}.attention.query_key_value.weight",
    "output": "gpt_neox.layers.{i}.attention.dense.weight",
    "attn_norm": "gpt_neox.layers.{i}.input_layernorm.weight",
    "mlp_norm": "gpt_neox.layers.{i}.post_attention_layernorm.weight",
    "mlp_up": "gpt_neox.layers.{i}.mlp.dense_h_to_4h.weight",
    "mlp_down": "gpt_neox.layers.{i}.mlp.dense_4h_to_h.weight",
    "final_norm": "gpt_neox.final_layer_norm.weight",
}

GPT_NEOX = Family(
    model_types=("gpt_neox",),
    architecture="gptneox",
    hub=TensorLayout(NAMES, GROUPED_QKV, prefixes=("gpt_neox.", "")),
    gguf=TensorLayout(without_roles(GGUF_NAMES, "mlp_gate")),
    activation="gelu",
    norm="LayerNorm",
    config_keys={**without_roles(CONFIG_KEYS, "kv_heads", "head_width"), "epsilon": "layer_norm_eps"},
    config_defaults={"layer_norm_eps": 1e-5},
    has_biases=True,
)
