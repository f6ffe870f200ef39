"""OLMo 2: attention and MLP read the residual stream as it is; their norms come after them and are no part of MLP₀."""

from __future__ import annotations

from maps.weights.family import GGUF_NAMES, HUB_NAMES, MODEL, Family, Place, without

OLMO2 = Family(
    model_types=("olmo2",),
    architecture="olmo2",
    hub=Place(without(HUB_NAMES, "mlp_norm"), prefixes=MODEL),
    gguf=Place(without(GGUF_NAMES, "mlp_norm")),
    left_out={"rms_norm_eps": 1e-5},
)
