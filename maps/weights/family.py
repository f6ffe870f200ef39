"""What a family declares: the names and layouts of the tensors that MAPS reads, as data.

A family of models, such as Llama, is a dozen lines in `families/`. Its two `TensorLayout`s, for Hugging Face files
and for GGUF files, give each role's tensor name and say how the heads are cut out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from maps.weights.shape import ConfigEntries, LatentSizes, ModelShape, RoutingRule

ATTENTION_ROLES = ("query", "key", "value")
LAYER_ROLES = (  # in every layer
    *ATTENTION_ROLES,
    *("value_fused", "output", "attn_norm", "query_norm", "key_norm", "mlp_post_norm", "latent", "latent_norm"),
)


def head_count(role: str, s: ModelShape) -> int:
    """How many heads of a role a layer has: H for `query`, KV for `key` and `value`."""
    return s.heads if role == "query" else s.kv_heads


def fused_width(s: ModelShape) -> int:
    """The number of outputs of query, key and value together."""
    return (s.heads + 2 * s.kv_heads) * s.head_width


def separate_outputs(role: str, s: ModelShape) -> Tensor:
    """The role has a tensor of its own: outputs 0, 1, 2 … by head, (heads, d_h)."""
    return torch.arange(head_count(role, s) * s.head_width).view(-1, s.head_width)


def consecutive_outputs(role: str, s: ModelShape) -> Tensor:
    """One tensor with all queries, then all keys, then all values: the outputs of a role by head, (heads, d_h)."""
    before = sum(head_count(other, s) for other in ATTENTION_ROLES[: ATTENTION_ROLES.index(role)])
    return before * s.head_width + separate_outputs(role, s)


def grouped_outputs(role: str, s: ModelShape) -> Tensor:
    """One tensor with each value head's queries, key and value: the outputs of a role by head, (heads, d_h)."""
    groups = torch.arange(fused_width(s)).view(s.kv_heads, -1, s.head_width)
    by_role = {"query": groups[:, :-2].flatten(0, 1), "key": groups[:, -2], "value": groups[:, -1]}
    return by_role[role]


@dataclass(frozen=True)
class AttentionLayout:
    """How the weights of query, key and value are laid out in their tensor or tensors."""

    output_indices: Callable[[str, ModelShape], Tensor]  # which outputs of its tensor belong to a role: (heads, d_h)
    is_fused: bool = True  # one tensor holds all three roles
    is_gated: bool = False  # the query's tensor has a gate behind each head's query
    inputs_first: bool = False  # the tensor is (inputs, outputs) instead of (outputs, inputs)

    def output_count(self, role: str, s: ModelShape) -> int:
        if self.is_fused:
            return fused_width(s)
        return head_count(role, s) * s.head_width * (2 if self.is_gated and role == "query" else 1)

    def shape(self, role: str, s: ModelShape) -> tuple[int, ...]:
        size = self.output_count(role, s), s.width
        return size[::-1] if self.inputs_first else size

    def heads(self, weight: Tensor, role: str, s: ModelShape) -> Tensor:
        """The weights of a role's heads, cut out of its tensor: (heads, d, d_h)."""
        outputs = self.output_indices(role, s)
        rows = weight[:, outputs.flatten()].T if self.inputs_first else weight[outputs.flatten()]
        return rows.reshape(*outputs.shape, s.width).transpose(1, 2)


@dataclass(frozen=True)
class LatentLayout(AttentionLayout):
    """How the weights are laid out that make keys and values of a latent: each head's key, then its value."""

    output_indices: Callable[[str, ModelShape], Tensor] = separate_outputs
    is_fused: bool = False
    has_keys: bool = True  # else the tensor has values only, (H, d_h, rank)

    def shape(self, role: str, s: ModelShape) -> tuple[int, ...]:  # noqa: ARG002
        latent = latent_sizes(s)
        if not self.has_keys:
            return s.heads, s.head_width, latent.rank
        return s.heads * (latent.key_width + s.head_width), latent.rank

    def heads(self, weight: Tensor, role: str, s: ModelShape) -> Tensor:  # noqa: ARG002
        """What each head's value makes of the latent: (H, rank, d_h)."""
        by_head = weight.reshape(s.heads, -1, latent_sizes(s).rank)
        return by_head[:, -s.head_width :].transpose(1, 2)


def latent_sizes(s: ModelShape) -> LatentSizes:
    assert s.latent is not None
    return s.latent


@dataclass(frozen=True)
class OutputLayout:
    """How a layer's output weights are laid out in their tensor."""

    shape: Callable[[ModelShape], tuple[int, int]]  # of the tensor
    heads: Callable[[Tensor, ModelShape], Tensor]  # cuts the heads (H, d_h, d) out of it


def heads_from_columns(weight: Tensor, s: ModelShape) -> Tensor:
    """Heads from the columns of an (outputs, inputs) tensor: (d, H d_h) to (H, d_h, d)."""
    return weight.T.reshape(s.heads, s.head_width, s.width)


def heads_from_rows(weight: Tensor, s: ModelShape) -> Tensor:
    """Heads from the rows of an (inputs, outputs) tensor: (H d_h, d) to (H, d_h, d)."""
    return weight.view(s.heads, s.head_width, s.width)


def gated_outputs(role: str, s: ModelShape) -> Tensor:
    """The role has a tensor of its own; that of the query has each head's query and then its gate: (heads, d_h)."""
    if role != "query":
        return separate_outputs(role, s)
    return torch.arange(2 * s.heads * s.head_width).view(s.heads, -1)[:, : s.head_width]


SEPARATE_QKV = AttentionLayout(separate_outputs, is_fused=False)
GATED_QKV = AttentionLayout(gated_outputs, is_fused=False, is_gated=True)
FUSED_QKV = AttentionLayout(consecutive_outputs)
FUSED_QKV_INPUTS_FIRST = AttentionLayout(consecutive_outputs, inputs_first=True)
GROUPED_QKV = AttentionLayout(grouped_outputs)
OUTPUT_COLUMNS = OutputLayout(lambda s: (s.width, s.heads * s.head_width), heads_from_columns)
OUTPUT_ROWS = OutputLayout(lambda s: (s.heads * s.head_width, s.width), heads_from_rows)


@dataclass(frozen=True)
class TensorLayout:
    """The names and layouts of a family's tensors in one kind of file.

    `names` maps a role to a tensor's name, with `{i}` for the layer and `{j}` for the expert. The roles:

    - embedding, unembedding, final_norm
    - query, key, value, output; with a fused `attention` layout, `value` names the tensor that holds all three
    - value_fused: a tensor with query, key and value that some files have instead of three
    - latent: what makes the latent, and behind it keys that are rotated; latent_norm: a norm behind the latent
    - attn_norm: the norm in front of attention
    - query_norm, key_norm: norms of queries and keys
    - mlp_norm, mlp_gate, mlp_up, mlp_down: the MLP, of which mapping reads the first; mlp_gate_up: two in one tensor
    - mlp_post_norm: a norm behind the MLP, which is not part of MLP₀
    - mlp_alpha_p, mlp_alpha_n, mlp_beta, mlp_eps: what the activation xIELU has learned
    - embedding_norm: a norm behind the embedding
    - of a mixture of experts: mlp_router; mlp_choice_bias, which is added to scores to choose; mlp_expert_gate,
      mlp_expert_up, mlp_expert_down of each expert, or mlp_experts_… with all experts in one tensor;
      mlp_experts_gate_up_scales and mlp_experts_down_scales where these are in MXFP4; mlp_shared_gate, mlp_shared_up,
      mlp_shared_down, or mlp_shared_gate_up: the MLP for every token; mlp_shared_share: what its share comes from;
      mlp_latent_in and mlp_latent_out around experts that read and write a shorter vector; mlp_expert_scales;
      mlp_experts_norm, mlp_experts_post_norm, mlp_dense_post_norm, mlp_router_gain: norms where a plain MLP and a
      mixture stand side by side

    A role without a name is a part that the family does not have.
    """

    names: Mapping[str, str]
    attention: AttentionLayout = SEPARATE_QKV
    output: OutputLayout = OUTPUT_COLUMNS
    mlp_inputs_first: bool = False  # the MLP's weights are (inputs, outputs)
    experts_inputs_first: bool = False  # those of experts in one tensor are
    experts_interleaved: bool = False  # gate and up of experts take turns, instead of one behind the other
    norms_minus_one: bool = False  # a norm's gain is stored as gain − 1
    whole_norms: tuple[str, ...] = ()  # the roles of norms for which this does not hold
    keys_may_be_values: bool = False  # in layers without a tensor for values
    prefixes: tuple[str, ...] = ("",)  # the first is that of `names`; a file may have any of the others instead

    def candidate_names(self, role: str, layer: int = 0, expert: int = 0) -> list[str]:
        """The names that a role's tensor may have, the usual one first."""
        name, usual = self.names[role].format(i=layer, j=expert), self.prefixes[0]
        if not name.startswith(usual):
            return [name, f"language_model.{name}"]
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
    "attn_norm": "model.layers.{i}.input_layernorm.weight",
    "mlp_norm": "model.layers.{i}.post_attention_layernorm.weight",
    "mlp_gate": "model.layers.{i}.mlp.gate_proj.weight",
    "mlp_up": "model.layers.{i}.mlp.up_proj.weight",
    "mlp_down": "model.layers.{i}.mlp.down_proj.weight",
    "final_norm": "model.norm.weight",
}
GGUF_NAMES = {
    "embedding": "token_embd.weight",
    "unembedding": "output.weight",
    "query": "blk.{i}.attn_q.weight",
    "key": "blk.{i}.attn_k.weight",
    "value": "blk.{i}.attn_v.weight",
    "value_fused": "blk.{i}.attn_qkv.weight",  # in files of any family whose converter joined the three
    "output": "blk.{i}.attn_output.weight",
    "attn_norm": "blk.{i}.attn_norm.weight",
    "mlp_norm": "blk.{i}.ffn_norm.weight",
    "mlp_gate": "blk.{i}.ffn_gate.weight",
    "mlp_up": "blk.{i}.ffn_up.weight",
    "mlp_down": "blk.{i}.ffn_down.weight",
    "final_norm": "output_norm.weight",
}
HUB_EXPERTS = {
    "mlp_router": "model.layers.{i}.mlp.gate.weight",
    "mlp_experts_gate_up": "model.layers.{i}.mlp.experts.gate_up_proj",
    "mlp_experts_down": "model.layers.{i}.mlp.experts.down_proj",
    **{
        f"mlp_expert_{part}": f"model.layers.{{i}}.mlp.experts.{{j}}.{part}_proj.weight"
        for part in ("gate", "up", "down")
    },
}
HUB_MIXTRAL_EXPERTS = {
    "mlp_router": "model.layers.{i}.block_sparse_moe.gate.weight",
    "mlp_expert_gate": "model.layers.{i}.block_sparse_moe.experts.{j}.w1.weight",
    "mlp_expert_down": "model.layers.{i}.block_sparse_moe.experts.{j}.w2.weight",
    "mlp_expert_up": "model.layers.{i}.block_sparse_moe.experts.{j}.w3.weight",
}
GGUF_EXPERTS = {
    "mlp_router": "blk.{i}.ffn_gate_inp.weight",
    "mlp_choice_bias": "blk.{i}.exp_probs_b.bias",
    "mlp_shared_share": "blk.{i}.ffn_gate_inp_shexp.weight",
    **{f"mlp_experts_{part}": f"blk.{{i}}.ffn_{part}_exps.weight" for part in ("gate", "up", "gate_up", "down")},
    **{f"mlp_shared_{part}": f"blk.{{i}}.ffn_{part}_shexp.weight" for part in ("gate", "up", "down")},
}
HUB_HEAD_NORMS = {
    "query_norm": "model.layers.{i}.self_attn.q_norm.weight",
    "key_norm": "model.layers.{i}.self_attn.k_norm.weight",
}
GGUF_HEAD_NORMS = {"query_norm": "blk.{i}.attn_q_norm.weight", "key_norm": "blk.{i}.attn_k_norm.weight"}
MODEL_PREFIXES = (
    "model.",
    "",  # of files saved without the language-model head
    *("model.language_model.", "language_model.model.", "model.text_model."),  # of models that see images too
)


def without_roles(names: Mapping[str, str], *roles: str) -> dict[str, str]:
    return {role: name for role, name in names.items() if role not in roles}


@dataclass(frozen=True)
class LayerKinds:
    """The entries that say which layers are alike, and how many of the last share the values of earlier ones."""

    kinds: str
    shared: str
    gguf_kinds: str
    gguf_shared: str


@dataclass(frozen=True)
class Family:
    """Models of one architecture."""

    model_types: tuple[str, ...]  # its names in config.json
    architecture: str | None  # its name in GGUF files; None where these have no such models, or are not read
    hub: TensorLayout
    gguf: TensorLayout | None
    activation: str = "silu"  # of the MLP, if the configuration names none
    norm: Literal["RMS", "LayerNorm"] = "RMS"
    # The entry of config.json for each size, and the values of entries that are not there.
    config_keys: Mapping[str, str] = field(default_factory=lambda: CONFIG_KEYS)
    config_defaults: Mapping[str, object] = field(default_factory=lambda: {"rms_norm_eps": 1e-6})
    gguf_key_names: Mapping[str, str | None] = field(default_factory=dict)  # those that differ from the usual ones
    fixed_entries: Mapping[str, object] = field(default_factory=dict)  # their values, whatever config.json says
    choose_variant: Callable[[Mapping[str, Any], Collection[str]], Family] | None = None  # see `variant`
    routing: RoutingRule | None = None  # of a mixture of experts
    has_biases: bool = False  # attention and MLP always have biases
    norms_have_weights: bool = True
    has_layers_without_heads: bool = False  # those without a value tensor, such as convolutions and linear attention
    has_latents: bool = False  # keys and values are made of a short vector
    # The entries, in config.json and in a GGUF file, for layers whose numbers and widths of heads differ.
    layer_kinds: LayerKinds | None = None
    read_factors: Callable[[ConfigEntries], tuple[tuple[str, float], ...]] | None = None  # `ModelShape.factors`
    is_run: bool = True  # by the commands that run a model
    key_obstacle: str = ""  # why queries and keys cannot be read: "makes …"
    scales_embeddings: bool = False  # the model multiplies its embeddings by √width
    norms_embeddings: bool = False  # there is a norm without weights behind the embedding
    norms_heads: bool = False  # and behind queries and keys
    ties_embeddings: bool = False  # the embedding is the unembedding too if config.json does not say (as transformers)

    def variant(self, config: Mapping[str, Any], names: Collection[str]) -> Family:
        """The family as a model has it, by its configuration and its tensors' names; most families have one variant."""
        return self if self.choose_variant is None else self.choose_variant(config, names)

    @property
    def gguf_keys(self) -> dict[str, str]:
        """The entry of a GGUF file's metadata for each size."""
        epsilon = "layer_norm_rms_epsilon" if self.norm == "RMS" else "layer_norm_epsilon"
        keys: dict[str, str | None] = {
            "layers": "block_count",
            "heads": "attention.head_count",
            "kv_heads": "attention.head_count_kv",
            "width": "embedding_length",
            "head_width": "attention.value_length",
            "epsilon": f"attention.{epsilon}",
            "embedding_scale": "embedding_scale",
            "residual_scale": "residual_scale",
            **self.gguf_key_names,
        }
        return {name: f"{self.architecture}.{key}" for name, key in keys.items() if key is not None}
