"""OLMo 2: attention and MLP read the residual stream as it is; their norms come after them and are no part of MLP₀.

The queries of all heads of a layer are normed together, and so are the keys.
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
