"""Hunyuan's dense models: like Llama, with norms of queries and keys under names of their own."""

from __future__ import annotations

from maps.weights.family import GGUF_HEAD_NORMS, GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout

HEAD_NORMS = {
    "query_norm": "model.layers.{i}.self_attn.query_layernorm.weight",
    "key_norm": "model.layers.{i}.self_attn.key_layernorm.weight",
}

HUNYUAN = Family(
    model_types=("hunyuan_v1_dense",),
    architecture="hunyuan-dense",
    hub=TensorLayout(HUB_NAMES | HEAD_NORMS, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(GGUF_NAMES | GGUF_HEAD_NORMS),
    config_defaults={"rms_norm_eps": 1e-5},
)
