"""GPT-NeoX, Pythia: attention and MLP side by side, the MLP behind the block's second norm; query, key and value in
one tensor, head by head, and in three blocks in GGUF files."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_KEYS, INTERLEAVED, Family, Place, without

NAMES = {
    "embedding": "gpt_neox.embed_in.weight",
    "unembedding": "embed_out.weight",
    "value": "gpt_neox.layers.{i}.attention.query_key_value.weight",
    "output": "gpt_neox.layers.{i}.attention.dense.weight",
    "mlp_norm": "gpt_neox.layers.0.post_attention_layernorm.weight",
    "mlp_up": "gpt_neox.layers.0.mlp.dense_h_to_4h.weight",
    "mlp_down": "gpt_neox.layers.0.mlp.dense_4h_to_h.weight",
    "final_norm": "gpt_neox.final_layer_norm.weight",
}

GPT_NEOX = Family(
    model_types=("gpt_neox",),
    architecture="gptneox",
    hub=Place(NAMES, INTERLEAVED, prefixes=("gpt_neox.", "")),
    gguf=Place(without(GGUF_NAMES, "mlp_gate")),
    activation="gelu",
    norm="LayerNorm",
    keys={**without(HUB_KEYS, "kv_heads", "head_width"), "epsilon": "layer_norm_eps"},
    left_out={"layer_norm_eps": 1e-5},
    biased=True,
)
