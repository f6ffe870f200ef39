"""The sizes of a model's architecture, from config.json or a GGUF file's metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from maps.errors import MapsError
from maps.heads.mixture import RouterScore, Routing
from maps.heads.mlp import ACTIVATIONS, XIELU
from maps.text import shorten

LARGEST_NUMBER = 1 << 22  # far above any size of a real model; larger numbers are refused as damaged

GGUF_BY_LAYER = ("head_count", "head_count_kv")  # may be lists with a number for each layer

MOST_OF_EACH = 10_000  # layers, and heads of a layer: the name of a head has at most four digits for each


@dataclass(frozen=True)
class LatentSizes:
    """Sizes of attention whose keys and values are made of a short vector, the latent."""

    rank: int  # entries of the latent
    key_width: int  # of each head's key, what is made of the latent; in one tensor with the head's value


@dataclass(frozen=True)
class LayerSizes:
    """What differs from layer to layer in some models."""

    kv_heads: int
    head_width: int
    values_from: int  # the layer whose values the heads read; later layers may share those of an earlier one


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a model's architecture; raises MapsError for sizes that no model has."""

    architecture: str
    layers: int
    heads: int
    kv_heads: int  # the most of any layer
    width: int
    head_width: int  # of values, the widest of any layer
    epsilon: float
    activation: str
    embedding_scale: float = 1.0  # the model multiplies its embeddings by this
    residual_scale: float = 1.0  # and by this what attention and MLP add to the residual stream
    routing: Routing | None = None  # in a mixture of experts
    head_layers: tuple[int, ...] | None = None  # the layers that have heads; None: all
    latent: LatentSizes | None = None  # of attention with latents
    layer_sizes: tuple[LayerSizes, ...] | None = None  # where layers differ
    first_mlp: int = 0  # the first layer with an MLP
    factors: tuple[tuple[str, float], ...] = ()  # roles of weights and what the model multiplies them by

    def __post_init__(self) -> None:
        if self.layers > MOST_OF_EACH or self.heads > MOST_OF_EACH or not self.head_width:
            raise MapsError(
                f"The model's configuration gives {self.layers:,} layers and {self.heads:,} heads of width "
                f"{self.head_width}, which no model has; download the model again."
            )
        if self.heads % self.kv_heads:
            raise MapsError(
                f"The model's configuration gives {self.heads} heads and {self.kv_heads} value heads, which cannot "
                "be shared evenly; download the model again."
            )

    @property
    def layers_with_heads(self) -> Sequence[int]:
        """The layers that have heads, by the model's own numbers."""
        return range(self.layers) if self.head_layers is None else self.head_layers

    def in_layer(self, layer: int) -> ModelShape:
        """The shape with the sizes of one layer."""
        if self.layer_sizes is None:
            return self
        sizes = self.layer_sizes[layer]
        return replace(self, kv_heads=sizes.kv_heads, head_width=sizes.head_width, layer_sizes=None)

    def values_from(self, layer: int) -> int:
        """The layer whose values the heads of a layer read: nearly always the layer itself."""
        return layer if self.layer_sizes is None else self.layer_sizes[layer].values_from

    def scale(self, role: str, weights: Tensor) -> Tensor:
        """A role's weights times the factor that the model has for them."""
        factor = dict(self.factors).get(role, 1.0)
        return weights if factor == 1 else weights * factor


@dataclass(frozen=True)
class ConfigEntries:
    """The entries of a checkpoint's configuration, checked when they are read."""

    origin: str  # what error messages call the configuration
    values: Mapping[str, Any]
    defaults: Mapping[str, Any]  # the family's values for entries that are not there
    layers_differ: bool = False  # in their numbers of heads

    def positive_integer(self, key: str, default: int | None = None) -> int:
        """A whole number of at least 1; `default` if there is no entry, or it is null. Else raises MapsError."""
        value = self.values.get(key, self.defaults.get(key))
        value = default if value is None else value
        if key.endswith(GGUF_BY_LAYER) and isinstance(value, list) and self.may_be_joined(value):
            value = max(value, default=0)  # layers without heads have 0
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < LARGEST_NUMBER:
            raise MapsError(f"{self.origin} has no valid whole number for {key}, so the model cannot be mapped.")
        return value

    def may_be_joined(self, numbers: list[Any]) -> bool:
        """Whether a list of numbers by layer stands for its largest: all but zeros are the same, or layers differ."""
        are_numbers = all(type(number) is int for number in numbers)
        return are_numbers and (self.layers_differ or len(set(numbers) - {0}) == 1)

    def fraction(self, key: str) -> float:
        """A number between 0 and 1; raises MapsError if there is none."""
        value = self.values.get(key, self.defaults.get(key))
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
            raise MapsError(f"{self.origin} has no number between 0 and 1 for {key}, so the model cannot be mapped.")
        return float(value)

    def factor(self, key: str | None) -> float:
        """A number above 0; 1 if there is no entry. Else raises MapsError."""
        value = self.values.get(key) if key else None
        if value is None:
            return 1.0
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < LARGEST_NUMBER:
            raise MapsError(f"{self.origin} has no positive number for {key}, so the model cannot be mapped.")
        return float(value)

    def is_set(self, key: str, default: bool) -> bool:
        """A switch; `default` if there is no entry."""
        value = self.values.get(key)
        return default if value is None else bool(value)

    def activation(self, key: str | None, default: str) -> str:
        """The name of a supported activation; `default` if there is no entry."""
        name = str((self.values.get(key) if key else None) or default)
        if name not in (*ACTIVATIONS, XIELU):
            raise MapsError(
                f"{self.origin} names the activation {shorten(name, 80)}, which is not supported; "
                f"supported are {', '.join(sorted((*ACTIVATIONS, XIELU)))}."
            )
        return name


def read_shape(
    architecture: str, entries: ConfigEntries, keys: Mapping[str, str], activation: str, scales_embeddings: bool
) -> ModelShape:
    """The shape from a configuration's entries; `keys` are the family's names for them.

    Without entries of their own, there are as many value heads as heads, and a head's width is the width / heads. With
    `scales_embeddings` the embeddings are multiplied by √width, else by what the configuration says.
    """
    heads, width = entries.positive_integer(keys["heads"]), entries.positive_integer(keys["width"])
    kv_heads, head_width = heads, width // heads
    if "kv_heads" in keys:
        kv_heads = entries.positive_integer(keys["kv_heads"], kv_heads)
    if "head_width" in keys:
        head_width = entries.positive_integer(keys["head_width"], head_width)
    return ModelShape(
        architecture=architecture,
        layers=entries.positive_integer(keys["layers"]),
        heads=heads,
        kv_heads=kv_heads,
        width=width,
        head_width=head_width,
        epsilon=entries.fraction(keys["epsilon"]),
        activation=entries.activation(keys.get("activation"), activation),
        embedding_scale=width**0.5 if scales_embeddings else entries.factor(keys.get("embedding_scale")),
        residual_scale=entries.factor(keys.get("residual_scale")),
    )


EXPERT_COUNTS = ("num_local_experts", "num_experts", "n_routed_experts")  # whichever config.json has
GATING_FUNCTIONS: dict[int, RouterScore] = {1: "softmax", 2: "sigmoid", 3: "softmax"}


LATENT_KEYS = ("kv_lora_rank", "qk_nope_head_dim")


def read_latent(entries: ConfigEntries) -> LatentSizes:
    """The sizes of latent attention, from config.json."""
    rank, key_width = (entries.positive_integer(key) for key in LATENT_KEYS)
    return LatentSizes(rank, key_width)


def read_gguf_latent(entries: ConfigEntries, architecture: str) -> LatentSizes:
    """The same from a GGUF file's metadata, where a key's length includes the part that is rotated."""
    lengths = (f"{architecture}.attention.key_length_mla", f"{architecture}.attention.key_length")
    length = entries.positive_integer(next((key for key in lengths if key in entries.values), lengths[0]))
    rotated = entries.positive_integer(f"{architecture}.rope.dimension_count")
    return LatentSizes(entries.positive_integer(f"{architecture}.attention.kv_lora_rank"), length - rotated)


@dataclass(frozen=True)
class RoutingRule:
    """What a family says of its routers, where a configuration does not."""

    score: RouterScore = "softmax"
    normalises: bool = True  # by config.json
    normalises_in_gguf: bool = True  # by a GGUF file's metadata
    scored_in_group: int = 2  # of each group's experts, the highest scores that count for it
    chosen_key: str = "num_experts_per_tok"  # the entry of config.json
    scales_input: bool = False  # shares multiply what experts read


def read_routing(entries: ConfigEntries, rule: RoutingRule) -> Routing:
    """How experts are chosen, from config.json."""
    key = next((key for key in EXPERT_COUNTS if entries.values.get(key) is not None), EXPERT_COUNTS[0])
    method = entries.values.get("topk_method", entries.defaults.get("topk_method"))
    return Routing(
        experts=entries.positive_integer(key),
        chosen=entries.positive_integer(rule.chosen_key),
        score=rule.score,
        normalises=entries.is_set("norm_topk_prob", rule.normalises),
        scale=entries.factor("routed_scaling_factor"),
        groups=1 if method == "greedy" else entries.positive_integer("n_group", 1),
        chosen_groups=1 if method == "greedy" else entries.positive_integer("topk_group", 1),
        scored_in_group=rule.scored_in_group,
        scales_input=rule.scales_input,
    )


def read_gguf_routing(entries: ConfigEntries, architecture: str, rule: RoutingRule) -> Routing:
    """How experts are chosen, from a GGUF file's metadata."""
    function = entries.values.get(f"{architecture}.expert_gating_func")
    score = rule.score if function is None else GATING_FUNCTIONS.get(function, rule.score)
    return Routing(
        experts=entries.positive_integer(f"{architecture}.expert_count"),
        chosen=entries.positive_integer(f"{architecture}.expert_used_count"),
        score=score,
        normalises=entries.is_set(f"{architecture}.expert_weights_norm", rule.normalises_in_gguf),
        scale=entries.factor(f"{architecture}.expert_weights_scale"),
        groups=entries.positive_integer(f"{architecture}.expert_group_count", 1),
        chosen_groups=entries.positive_integer(f"{architecture}.expert_group_used_count", 1),
        scored_in_group=rule.scored_in_group if score == rule.score else 2,
        scales_input=rule.scales_input,
    )
