"""Apertus: an MLP without gate, whose activation, xIELU, has numbers that were learned for each layer."""

from __future__ import annotations

from maps.weights.family import HUB_HEAD_NORMS, HUB_NAMES, MODEL_PREFIXES, Family, TensorLayout, without_roles

ACTIVATION = "model.layers.{i}.mlp.act_fn"
NAMES = {
    **without_roles(HUB_NAMES, "mlp_gate"),
    **HUB_HEAD_NORMS,
    "attn_norm": "model.layers.{i}.attention_layernorm.weight",
    "mlp_norm": "model.layers.{i}.feedforward_layernorm.weight",
    **{f"mlp_{name}": f"{ACTIVATION}.{name}" for name in ("alpha_p", "alpha_n", "beta", "eps")},
}

APERTUS = Family(
    model_types=("apertus",),
    architecture=None,  # GGUF files keep the activation's numbers in their metadata, which is not read
    hub=TensorLayout(NAMES, prefixes=MODEL_PREFIXES),
    gguf=None,
    activation="xielu",
    config_defaults={"rms_norm_eps": 1e-5},
)
