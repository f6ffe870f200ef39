"""OLMo 2: attention and MLP read the residual stream as it is; their norms come after them and are no part of MLP₀.

The queries of all heads of a layer are normed together, and so are the keys.
"""

from __future__ import annotations

from maps.weights.family import GGUF_HEAD_NORMS, GGUF_NAMES, HUB_HEAD_NORMS, HUB_NAMES, MODEL, Family, Place, without

OLMO2 = Family(
    model_types=("olmo2",),
    architecture="olmo2",
    hub=Place(without(HUB_NAMES, "mlp_norm") | HUB_HEAD_NORMS, prefixes=MODEL),
    gguf=Place(without(GGUF_NAMES, "mlp_norm") | GGUF_HEAD_NORMS),
    left_out={"rms_norm_eps": 1e-5},
)
