"""GPT-2: query, key and value in one tensor; weights are (inputs, outputs), but (outputs, inputs) in GGUF files."""

from __future__ import annotations

from maps.weights.family import FUSED_QKV_INPUTS_FIRST, GGUF_NAMES, OUTPUT_ROWS, Family, TensorLayout, without_roles

NAMES = {
    "embedding": "transformer.wte.weight",
    "unembedding": "lm_head.weight",
    "value": "transformer.h.{i}.attn.c_attn.weight",
    "output": "transformer.h.{i}.attn.c_proj.weight",
    "attn_norm": "transformer.h.{i}.ln_1.weight",
    "mlp_norm": "transformer.h.{i}.ln_2.weight",
    "mlp_up": "transformer.h.{i}.mlp.c_fc.weight",
    "mlp_down": "transformer.h.{i}.mlp.c_proj.weight",
    "final_norm": "transformer.ln_f.weight",
}

GPT2 = Family(
    model_types=("gpt2",),
    architecture="gpt2",
    hub=TensorLayout(NAMES, FUSED_QKV_INPUTS_FIRST, OUTPUT_ROWS, mlp_inputs_first=True, prefixes=("transformer.", "")),
    gguf=TensorLayout(without_roles(GGUF_NAMES, "mlp_gate")),
    activation="gelu_new",
    norm="LayerNorm",
    config_keys={
        "layers": "n_layer",
        "heads": "n_head",
        "width": "n_embd",
        "epsilon": "layer_norm_epsilon",
        "activation": "activation_function",
    },
    config_defaults={"layer_norm_epsilon": 1e-5},
    has_biases=True,
    ties_embeddings=True,
)
