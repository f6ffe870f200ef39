"""OLMo 2: no norm in front of attention and MLP; the norms after them are not part of MLP₀.

One norm covers the queries of all heads of a layer, another the keys.
"""

from __future__ import annotations

from maps.weights.family import (
    GGUF_HEAD_NORMS,
    GGUF_NAMES,
    HUB_HEAD_NORMS,
    HUB_NAMES,
    MODEL_PREFIXES,
    Family,
    TensorLayout,
    without_roles,
)

OLMO2 = Family(
    model_types=("olmo2",),
    architecture="olmo2",
    hub=TensorLayout(without_roles(HUB_NAMES, "mlp_norm") | HUB_HEAD_NORMS, prefixes=MODEL_PREFIXES),
    gguf=TensorLayout(without_roles(GGUF_NAMES, "mlp_norm") | GGUF_HEAD_NORMS),
    config_defaults={"rms_norm_eps": 1e-5},
)
