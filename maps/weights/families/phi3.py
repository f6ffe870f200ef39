"""Phi-3: as Llama, with query, key and value in one tensor, and gate and up in another."""

from __future__ import annotations

from maps.weights.family import FUSED, GGUF_NAMES, HUB_NAMES, MODEL, Family, Place, without

PARTS = ("mlp_gate", "mlp_up")

PHI3 = Family(
    model_types=("phi3",),
    architecture="phi3",
    hub=Place(
        {
            **without(HUB_NAMES, *PARTS, "query", "key"),
            "value": "model.layers.{i}.self_attn.qkv_proj.weight",
            "mlp_gate_up": "model.layers.0.mlp.gate_up_proj.weight",
        },
        FUSED,
        prefixes=MODEL,
    ),
    gguf=Place({**without(GGUF_NAMES, *PARTS), "mlp_gate_up": "blk.0.ffn_up.weight"}),
    left_out={"rms_norm_eps": 1e-5},
)
