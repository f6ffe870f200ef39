"""Gemma 2: embeddings scaled, norms kept less one, a norm before and one after the MLP; only the first is in MLP₀."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_KEYS, HUB_NAMES, MODEL, Family, Place

GEMMA_KEYS = {**HUB_KEYS, "activation": "hidden_activation"}
GEMMA_NAMES = {**HUB_NAMES, "mlp_norm": "model.layers.0.pre_feedforward_layernorm.weight"}
GEMMA_LEFT_OUT = {"rms_norm_eps": 1e-6, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256}

GEMMA2 = Family(
    model_types=("gemma2",),
    architecture="gemma2",
    hub=Place(GEMMA_NAMES, less_one=True, prefixes=MODEL),
    gguf=Place(GGUF_NAMES),  # norms are whole there
    activation="gelu_pytorch_tanh",
    keys=GEMMA_KEYS,
    left_out=GEMMA_LEFT_OUT,
    scaled=True,
)
