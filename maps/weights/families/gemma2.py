"""Gemma 2: scaled embeddings, gains of norms stored less one, norms before and after the MLP (MLP₀ has the first)."""

from __future__ import annotations

from maps.weights.family import CONFIG_KEYS, GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

GEMMA_NAMES = {
    **HUB_NAMES,
    "mlp_norm": "model.layers.{i}.pre_feedforward_layernorm.weight",
    "mlp_post_norm": "model.layers.{i}.post_feedforward_layernorm.weight",
}
GEMMA_GGUF_NAMES = {**GGUF_NAMES, "mlp_post_norm": "blk.{i}.post_ffw_norm.weight"}

GEMMA2 = Family(
    model_types=("gemma2",),
    architecture="gemma2",
    hub=TensorLayout(GEMMA_NAMES, norms_minus_one=True, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GEMMA_GGUF_NAMES),  # stores whole gains
    activation="gelu_pytorch_tanh",
    config_keys={**CONFIG_KEYS, "activation": "hidden_activation"},
    config_defaults={"rms_norm_eps": 1e-6, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256},
    scales_embeddings=True,
    ties_embeddings=True,
)
