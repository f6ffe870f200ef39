"""What a family declares: under which names, and in which layout, its checkpoints keep what MAPS reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from maps.weights.shape import ModelShape

ATTENTION_ROLES = ("query", "key", "value")
LAYER_ROLES = (
    *ATTENTION_ROLES,
    "value_fused",
    "output",
    "query_norm",
    "key_norm",
)  # roles that every layer has a tensor of


def head_count(role: str, s: ModelShape) -> int:
    """How many heads of a role there are: keys and values may be shared."""
    return s.heads if role == "query" else s.kv_heads


def fused_width(s: ModelShape) -> int:
    """How many outputs query, key and value have together."""
    return (s.heads + 2 * s.kv_heads) * s.head_width


def separate_outputs(role: str, s: ModelShape) -> Tensor:
    """The outputs of a tensor of its own, (heads, d_h)."""
    return torch.arange(head_count(role, s) * s.head_width).view(-1, s.head_width)


def consecutive_outputs(role: str, s: ModelShape) -> Tensor:
    """The outputs of a role where all of query come first, then all of key, then all of value: (heads, d_h)."""
    before = sum(head_count(other, s) for other in ATTENTION_ROLES[: ATTENTION_ROLES.index(role)])
    return before * s.head_width + separate_outputs(role, s)


def interleaved_outputs(role: str, s: ModelShape) -> Tensor:
    """The outputs of a role where each head has query, key and value: (H, d_h)."""
    return torch.arange(fused_width(s)).view(s.heads, 3, s.head_width)[:, ATTENTION_ROLES.index(role)]


@dataclass(frozen=True)
class AttentionLayout:
    """How a layer's query, key and value weights lie: `output_indices` of a role (heads, d_h) within its tensor."""

    output_indices: Callable[[str, ModelShape], Tensor]
    is_fused: bool = True  # one tensor has all three
    inputs_first: bool = False  # the tensor is (inputs, outputs)

    def output_count(self, role: str, s: ModelShape) -> int:
        """How many outputs the tensor of a role has."""
        return fused_width(s) if self.is_fused else head_count(role, s) * s.head_width

    def shape(self, role: str, s: ModelShape) -> tuple[int, int]:
        """The shape of the tensor of a role."""
        size = self.output_count(role, s), s.width
        return size[::-1] if self.inputs_first else size

    def heads(self, weight: Tensor, role: str, s: ModelShape) -> Tensor:
        """The heads of a role out of its tensor, (heads, d, d_h)."""
        outputs = self.output_indices(role, s)
        rows = weight[:, outputs.flatten()].T if self.inputs_first else weight[outputs.flatten()]
        return rows.reshape(*outputs.shape, s.width).transpose(1, 2)


@dataclass(frozen=True)
class OutputLayout:
    """How a layer's output weights lie in their tensor: its shape, and the heads (H, d_h, d) taken out of it."""

    shape: Callable[[ModelShape], tuple[int, int]]
    heads: Callable[[Tensor, ModelShape], Tensor]


def heads_from_columns(weight: Tensor, s: ModelShape) -> Tensor:
    """Heads from the columns of a linear layer, (d, H d_h) to (H, d_h, d)."""
    return weight.T.reshape(s.heads, s.head_width, s.width)


def heads_from_rows(weight: Tensor, s: ModelShape) -> Tensor:
    """Heads from the rows, (H d_h, d) to (H, d_h, d)."""
    return weight.view(s.heads, s.head_width, s.width)


SEPARATE_QKV = AttentionLayout(separate_outputs, is_fused=False)
FUSED_QKV = AttentionLayout(consecutive_outputs)
FUSED_QKV_INPUTS_FIRST = AttentionLayout(consecutive_outputs, inputs_first=True)
INTERLEAVED_QKV = AttentionLayout(interleaved_outputs)
OUTPUT_COLUMNS = OutputLayout(lambda s: (s.width, s.heads * s.head_width), heads_from_columns)
OUTPUT_ROWS = OutputLayout(lambda s: (s.heads * s.head_width, s.width), heads_from_rows)


@dataclass(frozen=True)
class TensorLayout:
    """Where one kind of checkpoint keeps a family's tensors.

    `names` maps a role to a tensor's name, `{i}` standing for the layer. Roles: embedding, unembedding, query, key,
    value, output, mlp_norm, mlp_gate, mlp_up, mlp_down, final_norm; query_norm and key_norm where queries and keys are
    normed; value_fused where a file may hold query, key and value in one tensor instead (where `attention` says that
    one always does, it is that of value), mlp_gate_up where gate and up lie in one. A role that is left out is
    something the family does not have. `prefixes`: what may stand in place of the first of them.
    """

    names: Mapping[str, str]
    attention: AttentionLayout = SEPARATE_QKV
    output: OutputLayout = OUTPUT_COLUMNS
    mlp_inputs_first: bool = False  # the MLP's weights are kept as (inputs, outputs)
    norms_minus_one: bool = False  # norms are kept less one
    prefixes: tuple[str, ...] = ("",)

    def candidate_names(self, role: str, layer: int = 0) -> list[str]:
        """The names that the tensor of a role may have, the usual one first."""
        name, usual = self.names[role].format(i=layer), self.prefixes[0]
        if not name.startswith(usual):
            return [name]
        return [prefix + name.removeprefix(usual) for prefix in self.prefixes]


CONFIG_KEYS = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "width": "hidden_size",
    "head_width": "head_dim",
    "epsilon": "rms_norm_eps",
    "activation": "hidden_act",
}
HUB_NAMES = {
    "embedding": "model.embed_tokens.weight",
    "unembedding": "lm_head.weight",
    "query": "model.layers.{i}.self_attn.q_proj.weight",
    "key": "model.layers.{i}.self_attn.k_proj.weight",
    "value": "model.layers.{i}.self_attn.v_proj.weight",
    "output": "model.layers.{i}.self_attn.o_proj.weight",
    "mlp_norm": "model.layers.0.post_attention_layernorm.weight",
    "mlp_gate": "model.layers.0.mlp.gate_proj.weight",
    "mlp_up": "model.layers.0.mlp.up_proj.weight",
    "mlp_down": "model.layers.0.mlp.down_proj.weight",
    "final_norm": "model.norm.weight",
}
GGUF_NAMES = {
    "embedding": "token_embd.weight",
    "unembedding": "output.weight",
    "query": "blk.{i}.attn_q.weight",
    "key": "blk.{i}.attn_k.weight",
    "value": "blk.{i}.attn_v.weight",
    "value_fused": "blk.{i}.attn_qkv.weight",  # of whatever family, where a converter was asked to join the three
    "output": "blk.{i}.attn_output.weight",
    "mlp_norm": "blk.0.ffn_norm.weight",
    "mlp_gate": "blk.0.ffn_gate.weight",
    "mlp_up": "blk.0.ffn_up.weight",
    "mlp_down": "blk.0.ffn_down.weight",
    "final_norm": "output_norm.weight",
}
HUB_HEAD_NORMS = {
    "query_norm": "model.layers.{i}.self_attn.q_norm.weight",
    "key_norm": "model.layers.{i}.self_attn.k_norm.weight",
}
GGUF_HEAD_NORMS = {"query_norm": "blk.{i}.attn_q_norm.weight", "key_norm": "blk.{i}.attn_k_norm.weight"}
MODEL_PREFIXES = ("model.", "")  # files of a model without its head lack the prefix


def without_roles(names: Mapping[str, str], *roles: str) -> dict[str, str]:
    """Names without those of some roles."""
    return {role: name for role, name in names.items() if role not in roles}


@dataclass(frozen=True)
class Family:
    """Models that are built alike.

    `model_types` are its names in config.json, `architecture` is its name in GGUF files; `config_keys` says which entry of
    config.json holds which number, `config_defaults` what its configuration class takes for an entry that is not there.
    `tokens_without_rows` are tokens that the tokenizer may know beyond the embedding's last row.
    """

    model_types: tuple[str, ...]
    architecture: str
    hub: TensorLayout
    gguf: TensorLayout
    activation: str = "silu"
    norm: Literal["RMS", "LayerNorm"] = "RMS"
    config_keys: Mapping[str, str] = field(default_factory=lambda: CONFIG_KEYS)
    config_defaults: Mapping[str, object] = field(default_factory=lambda: {"rms_norm_eps": 1e-6})
    has_biases: bool = False  # the first MLP always has biases
    scales_embeddings: bool = False  # embeddings are multiplied by the root of the width
    tokens_without_rows: tuple[str, ...] = ()

    @property
    def gguf_keys(self) -> dict[str, str]:
        """Which entry of a GGUF file's metadata holds which number."""
        kind = "layer_norm_rms_epsilon" if self.norm == "RMS" else "layer_norm_epsilon"
        keys = {
            "layers": "block_count",
            "heads": "attention.head_count",
            "kv_heads": "attention.head_count_kv",
            "width": "embedding_length",
            "head_width": "attention.value_length",
            "epsilon": f"attention.{kind}",
        }
        return {name: f"{self.architecture}.{key}" for name, key in keys.items()}
