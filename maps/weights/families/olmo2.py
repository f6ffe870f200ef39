"""OLMo 2 and 3: no norm in front of attention and MLP; the norms after them are not part of MLP₀.

One norm covers the queries of all heads of a layer, another the keys.
"""

from __future__ import annotations

from maps.weights import family

HUB_NAMES = {
    **family.without_roles(family.HUB_NAMES, "attn_norm", "mlp_norm"),
    **family.HUB_HEAD_NORMS,
    "mlp_post_norm": "model.layers.{i}.post_feedforward_layernorm.weight",
}
GGUF_NAMES = {
    **family.without_roles(family.GGUF_NAMES, "attn_norm", "mlp_norm"),
    **family.GGUF_HEAD_NORMS,
    "mlp_post_norm": "blk.{i}.post_ffw_norm.weight",
}

OLMO2 = family.Family(
    model_types=("olmo2", "olmo3"),
    architecture="olmo2",
    hub=family.TensorLayout(HUB_NAMES, prefixes=family.MODEL_PREFIXES),
    gguf=family.TensorLayout(GGUF_NAMES),
    config_defaults={"rms_norm_eps": 1e-5},
)
