"""OLMo Hybrid: every fourth layer has heads, built as in OLMo 2; the others linear attention, which is not read.

MLP₀ is that of the first layer, which has linear attention and, unlike layers with heads, a norm in front of its MLP.
"""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.olmo2 import OLMO2
from maps.weights.family import MODEL_PREFIXES, TensorLayout, without_roles

OLMO_HYBRID = replace(
    OLMO2,
    model_types=("olmo_hybrid",),
    architecture=None,
    hub=TensorLayout(
        {
            **without_roles(OLMO2.hub.names, "mlp_post_norm"),
            "mlp_norm": "model.layers.{i}.feedforward_layer_norm.weight",
        },
        prefixes=MODEL_PREFIXES,
    ),
    gguf=None,
    has_layers_without_heads=True,
)
