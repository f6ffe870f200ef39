"""The Llama family: Llama 1 to 3, SmolLM and other models of the same architecture, grouped queries included."""

from __future__ import annotations

from torch.nn.functional import silu

from maps.weights.checkpoint import Family

LLAMA = Family(
    name="llama",
    names={
        "embedding": "model.embed_tokens.weight",
        "unembedding": "lm_head.weight",
        "value": "model.layers.{i}.self_attn.v_proj.weight",
        "output": "model.layers.{i}.self_attn.o_proj.weight",
        "mlp_norm": "model.layers.0.post_attention_layernorm.weight",
        "mlp_gate": "model.layers.0.mlp.gate_proj.weight",
        "mlp_up": "model.layers.0.mlp.up_proj.weight",
        "mlp_down": "model.layers.0.mlp.down_proj.weight",
    },
    gguf_names={
        "embedding": "token_embd.weight",
        "unembedding": "output.weight",
        "value": "blk.{i}.attn_v.weight",
        "output": "blk.{i}.attn_output.weight",
        "mlp_norm": "blk.0.ffn_norm.weight",
        "mlp_gate": "blk.0.ffn_gate.weight",
        "mlp_up": "blk.0.ffn_up.weight",
        "mlp_down": "blk.0.ffn_down.weight",
    },
    activations={"silu": silu},
)
