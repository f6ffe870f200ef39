"""DeepSeek V2 and V3, and models built like them: values are made of a latent, a short vector with a norm behind it.

W_V is the product of the two matrices around the latent and of the norm's gain. The norm itself divides all values of
a source by one number, so which targets a source promotes is exact, and σ is that of a latent whose length is kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from maps.weights.families.glm4_moe import SHARED
from maps.weights.family import (
    CONFIG_KEYS,
    GGUF_EXPERTS,
    GGUF_NAMES,
    HUB_EXPERTS,
    HUB_NAMES,
    MODEL_PREFIXES,
    Family,
    LatentLayout,
    TensorLayout,
    without_roles,
)
from maps.weights.shape import RoutingRule

ATTENTION = "model.layers.{i}.self_attn"
NAMES = {
    **(without_roles(HUB_NAMES, "query", "key") | HUB_EXPERTS | SHARED),
    "latent": f"{ATTENTION}.kv_a_proj_with_mqa.weight",
    "latent_norm": f"{ATTENTION}.kv_a_layernorm.weight",
    "value": f"{ATTENTION}.kv_b_proj.weight",
}
NAMES_IN_GGUF = {
    **(without_roles(GGUF_NAMES, "query", "key", "value_fused") | GGUF_EXPERTS),
    "latent": "blk.{i}.attn_kv_a_mqa.weight",
    "latent_norm": "blk.{i}.attn_kv_a_norm.weight",
    "value": "blk.{i}.attn_v_b.weight",
}
OLDER_GGUF = TensorLayout({**NAMES_IN_GGUF, "value": "blk.{i}.attn_kv_b.weight"}, LatentLayout())
EXPERT_ENDINGS = ("gate.weight", "ffn_gate_inp.weight")


def choose_variant(family: Family, names: Collection[str]) -> Family:
    """Without experts, and as older GGUF files are."""
    if not any(name.endswith(EXPERT_ENDINGS) for name in names):
        family = replace(family, routing=None)
    if any(name.endswith("attn_kv_b.weight") for name in names):
        keys = {**family.gguf_key_names, "head_width": "attention.value_length"}
        family = replace(family, gguf=OLDER_GGUF, gguf_key_names=keys)
    return family


def choose_kimi_linear(names: Collection[str]) -> Family:
    """With the plain MLP under the name that transformers saves it by."""
    if not any(name.endswith("block_sparse_moe.gate_proj.weight") for name in names):
        return KIMI_LINEAR
    parts = ("gate", "up", "down")
    plain = {f"mlp_{part}": f"model.layers.{{i}}.block_sparse_moe.{part}_proj.weight" for part in parts}
    return replace(KIMI_LINEAR, hub=replace(KIMI_LINEAR.hub, names={**KIMI_LINEAR.hub.names, **plain}))


DEEPSEEK_V2: Family = Family(
    model_types=("deepseek_v2",),
    architecture="deepseek2",  # V3's too: files say how their routers score
    hub=TensorLayout(NAMES, LatentLayout(), prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(NAMES_IN_GGUF, LatentLayout(has_keys=False)),
    config_keys={**without_roles(CONFIG_KEYS, "kv_heads"), "head_width": "v_head_dim"},
    config_defaults={
        **{"rms_norm_eps": 1e-6, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "v_head_dim": 128},
        **{"n_routed_experts": 64, "num_experts_per_tok": 6, "topk_method": "greedy"},
    },
    gguf_key_names={"kv_heads": None, "head_width": "attention.value_length_mla"},
    routing=RoutingRule(normalises=False, normalises_in_gguf=False, scored_in_group=1),
    has_latents=True,
    key_obstacle="makes its keys of latents",
    is_run=False,
    choose_variant=lambda _config, names: choose_variant(DEEPSEEK_V2, names),
)
DEEPSEEK_V3: Family = replace(
    DEEPSEEK_V2,
    model_types=("deepseek_v3", "deepseek_v32", "kimi_k2"),
    architecture=None,
    config_defaults={
        **{"rms_norm_eps": 1e-6, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "v_head_dim": 128},
        **{"n_routed_experts": 256, "num_experts_per_tok": 8},
    },
    routing=RoutingRule("sigmoid"),
    choose_variant=lambda _config, names: choose_variant(DEEPSEEK_V3, names),
)
GLM_LATENT: Family = replace(
    DEEPSEEK_V3,
    model_types=("glm4_moe_lite", "glm_moe_dsa"),
    config_defaults={
        **{"rms_norm_eps": 1e-5, "kv_lora_rank": 512, "qk_nope_head_dim": 192, "v_head_dim": 256},
        **{"n_routed_experts": 64, "num_experts_per_tok": 4},
    },
    choose_variant=lambda _config, names: choose_variant(GLM_LATENT, names),
)
KIMI_LINEAR: Family = replace(  # every fourth layer has heads, the others linear attention; MLP₀ is plain
    DEEPSEEK_V3,
    model_types=("kimi_linear",),
    config_defaults={"rms_norm_eps": 1e-5, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "v_head_dim": 128},
    routing=None,
    has_layers_without_heads=True,
    choose_variant=lambda _config, names: choose_kimi_linear(names),
)
MISTRAL4: Family = replace(
    DEEPSEEK_V2,
    model_types=("mistral4",),
    architecture="mistral4",
    config_defaults={
        **{"rms_norm_eps": 1e-6, "kv_lora_rank": 256, "qk_nope_head_dim": 64, "v_head_dim": 128},
        **{"n_routed_experts": 128, "num_experts_per_tok": 4},
    },
    routing=RoutingRule(),
    choose_variant=lambda _config, names: choose_variant(MISTRAL4, names),
)
