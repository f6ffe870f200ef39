"""OPT: LayerNorms in front of attention and MLP; OPT-350m, which has them behind, is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from maps.errors import MapsError
from maps.weights.family import CONFIG_KEYS, Family, TensorLayout, without_roles

LAYER = "model.decoder.layers.{i}"
NAMES = {
    "embedding": "model.decoder.embed_tokens.weight",
    "unembedding": "lm_head.weight",
    "query": f"{LAYER}.self_attn.q_proj.weight",
    "key": f"{LAYER}.self_attn.k_proj.weight",
    "value": f"{LAYER}.self_attn.v_proj.weight",
    "output": f"{LAYER}.self_attn.out_proj.weight",
    "attn_norm": f"{LAYER}.self_attn_layer_norm.weight",
    "mlp_norm": f"{LAYER}.final_layer_norm.weight",
    "mlp_up": f"{LAYER}.fc1.weight",
    "mlp_down": f"{LAYER}.fc2.weight",
    "final_norm": "model.decoder.final_layer_norm.weight",
}


def choose_variant(config: Mapping[str, Any], _names: Collection[str]) -> Family:
    """OPT itself; raises MapsError for a model whose norms stand behind attention and MLP."""
    if not config.get("do_layer_norm_before", True):
        raise MapsError(
            "OPT models that normalise the residual stream behind attention and MLP, such as OPT-350m, cannot be "
            "mapped: their embeddings have another width than their heads read. Use another size."
        )
    return OPT


OPT = Family(
    model_types=("opt",),
    architecture=None,
    hub=TensorLayout(NAMES, prefixes=("model.decoder.", "decoder.")),
    gguf=None,
    activation="relu",
    norm="LayerNorm",
    config_keys={**without_roles(CONFIG_KEYS, "kv_heads", "head_width"), "activation": "activation_function"},
    fixed_entries={"rms_norm_eps": 1e-5},  # the norms' epsilon is no setting of these models
    choose_variant=choose_variant,
    ties_embeddings=True,
)
