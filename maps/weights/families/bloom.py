"""BLOOM: a norm behind the embedding; query, key and value in one tensor, interleaved head by head."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, GROUPED_QKV, Family, TensorLayout, without_roles

NAMES = {
    "embedding": "transformer.word_embeddings.weight",
    "embedding_norm": "transformer.word_embeddings_layernorm.weight",
    "unembedding": "lm_head.weight",
    "value": "transformer.h.{i}.self_attention.query_key_value.weight",
    "output": "transformer.h.{i}.self_attention.dense.weight",
    "attn_norm": "transformer.h.{i}.input_layernorm.weight",
    "mlp_norm": "transformer.h.{i}.post_attention_layernorm.weight",
    "mlp_up": "transformer.h.{i}.mlp.dense_h_to_4h.weight",
    "mlp_down": "transformer.h.{i}.mlp.dense_4h_to_h.weight",
    "final_norm": "transformer.ln_f.weight",
}

BLOOM = Family(
    model_types=("bloom",),
    architecture="bloom",
    hub=TensorLayout(NAMES, GROUPED_QKV, prefixes=("transformer.", "")),
    gguf=TensorLayout({**without_roles(GGUF_NAMES, "mlp_gate"), "embedding_norm": "token_embd_norm.weight"}),
    activation="gelu_pytorch_tanh",
    norm="LayerNorm",
    config_keys={"layers": "n_layer", "heads": "n_head", "width": "hidden_size", "epsilon": "layer_norm_epsilon"},
    config_defaults={"layer_norm_epsilon": 1e-5},
    has_biases=True,
    ties_embeddings=True,
)
