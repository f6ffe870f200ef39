"""GLM and GLM-4: gate and up in one tensor; GLM-4 has norms behind attention and MLP too."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout, without_roles

NAMES = {
    **without_roles(HUB_NAMES, "mlp_gate", "mlp_up"),
    "mlp_gate_up": "model.layers.{i}.mlp.gate_up_proj.weight",
}
NAMES_IN_GGUF = {**without_roles(GGUF_NAMES, "mlp_gate", "mlp_up"), "mlp_gate_up": "blk.{i}.ffn_up.weight"}

GLM = Family(
    model_types=("glm",),
    architecture="chatglm",
    hub=TensorLayout(NAMES, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(NAMES_IN_GGUF),
    config_defaults={"rms_norm_eps": 1.5625e-7, "num_key_value_heads": 2, "head_dim": 128},
)
GLM4 = replace(
    GLM,
    model_types=("glm4",),
    architecture="glm4",
    hub=TensorLayout({**NAMES, "mlp_post_norm": "model.layers.{i}.post_mlp_layernorm.weight"}, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout({**NAMES_IN_GGUF, "mlp_post_norm": "blk.{i}.post_ffw_norm.weight"}),
)
