"""What a family declares: under which names, and in which layout, its checkpoints keep what MAPS reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from maps.weights.shape import Shape


@dataclass(frozen=True)
class Layout:
    """How a layer's value or output weights lie in their tensor: its shape, and the heads taken out of it."""

    shape: Callable[[Shape], tuple[int, int]]
    heads: Callable[[Tensor, Shape], Tensor]


def last_rows(weight: Tensor, s: Shape) -> Tensor:
    """Value heads from the last rows, (…, d) to (KV, d, d_h)."""
    return weight[-s.kv_heads * s.head_width :].view(s.kv_heads, s.head_width, s.width).transpose(1, 2)


def last_columns(weight: Tensor, s: Shape) -> Tensor:
    """Value heads from the last columns, (d, …) to (KV, d, d_h)."""
    return weight[:, -s.kv_heads * s.head_width :].view(s.width, s.kv_heads, s.head_width).transpose(0, 1)


def third_of_each(weight: Tensor, s: Shape) -> Tensor:
    """Value heads from rows that go query, key, value head by head, (3d, d) to (H, d, d_h)."""
    return weight.view(s.heads, 3, s.head_width, s.width)[:, 2].transpose(1, 2)


def output_columns(weight: Tensor, s: Shape) -> Tensor:
    """Heads from the columns of a linear layer, (d, H d_h) to (H, d_h, d)."""
    return weight.T.reshape(s.heads, s.head_width, s.width)


def output_rows(weight: Tensor, s: Shape) -> Tensor:
    """Heads from the rows, (H d_h, d) to (H, d_h, d)."""
    return weight.view(s.heads, s.head_width, s.width)


def fused(s: Shape) -> int:
    """How many rows query, key and value have together."""
    return (s.heads + 2 * s.kv_heads) * s.head_width


VALUE = Layout(lambda s: (s.kv_heads * s.head_width, s.width), last_rows)
FUSED = Layout(lambda s: (fused(s), s.width), last_rows)
FUSED_COLUMNS = Layout(lambda s: (s.width, fused(s)), last_columns)
INTERLEAVED = Layout(lambda s: (fused(s), s.width), third_of_each)
OUTPUT = Layout(lambda s: (s.width, s.heads * s.head_width), output_columns)
OUTPUT_ROWS = Layout(lambda s: (s.heads * s.head_width, s.width), output_rows)


@dataclass(frozen=True)
class Place:
    """Where one kind of checkpoint keeps a family's tensors.

    `names` maps a role to a tensor's name, `{i}` standing for the layer. Roles: embedding, unembedding, value, output,
    mlp_norm, mlp_gate, mlp_up, mlp_down, final_norm; value_fused where a file may hold query, key and value in one
    tensor instead, mlp_gate_up where gate and up lie in one. A role that is left out is something the family does not
    have. `prefixes`: what may stand in place of the first of them.
    """

    names: Mapping[str, str]
    value: Layout = VALUE
    output: Layout = OUTPUT
    transposed: bool = False  # the MLP's weights are kept as (inputs, outputs)
    less_one: bool = False  # norms are kept less one
    prefixes: tuple[str, ...] = ("",)

    def candidates(self, role: str, layer: int = 0) -> list[str]:
        """The names that the tensor of a role may have, the usual one first."""
        name, usual = self.names[role].format(i=layer), self.prefixes[0]
        if not name.startswith(usual):
            return [name]
        return [prefix + name.removeprefix(usual) for prefix in self.prefixes]


HUB_KEYS = {
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
    "value": "blk.{i}.attn_v.weight",
    "value_fused": "blk.{i}.attn_qkv.weight",  # of whatever family, where a converter was asked to join the three
    "output": "blk.{i}.attn_output.weight",
    "mlp_norm": "blk.0.ffn_norm.weight",
    "mlp_gate": "blk.0.ffn_gate.weight",
    "mlp_up": "blk.0.ffn_up.weight",
    "mlp_down": "blk.0.ffn_down.weight",
    "final_norm": "output_norm.weight",
}
MODEL = ("model.", "")  # files of a model without its head lack the prefix


def without(names: Mapping[str, str], *roles: str) -> dict[str, str]:
    """Names without those of some roles."""
    return {role: name for role, name in names.items() if role not in roles}


@dataclass(frozen=True)
class Family:
    """Models that are built alike.

    `model_types` are its names in config.json, `architecture` is its name in GGUF files; `keys` says which entry of
    config.json holds which number, `left_out` what its configuration class takes for an entry that is not there.
    `rowless` are tokens that the tokenizer may know beyond the embedding's last row.
    """

    model_types: tuple[str, ...]
    architecture: str
    hub: Place
    gguf: Place
    activation: str = "silu"
    norm: Literal["RMS", "LayerNorm"] = "RMS"
    keys: Mapping[str, str] = field(default_factory=lambda: HUB_KEYS)
    left_out: Mapping[str, object] = field(default_factory=lambda: {"rms_norm_eps": 1e-6})
    biased: bool = False  # the first MLP always has biases
    scaled: bool = False  # embeddings are multiplied by the root of the width
    rowless: tuple[str, ...] = ()

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
