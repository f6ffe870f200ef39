"""The sizes of a model's architecture, from config.json or a GGUF file's metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from maps.errors import MapsError
from maps.heads.mixture import Routing
from maps.heads.mlp import ACTIVATIONS, XIELU
from maps.text import shorten

LARGEST_NUMBER = 1 << 22  # far above any size of a real model; larger numbers are refused as damaged

GGUF_BY_LAYER = ("head_count", "head_count_kv")  # may be lists with a number for each layer

MOST_OF_EACH = 10_000  # layers, and heads of a layer: the name of a head has at most four digits for each


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a model's architecture; raises MapsError for sizes that no model has."""

    architecture: str
    layers: int
    heads: int
    kv_heads: int
    width: int
    head_width: int
    epsilon: float
    activation: str
    embedding_scale: float = 1.0  # the model multiplies its embeddings by this
    residual_scale: float = 1.0  # and by this what attention and MLP add to the residual stream
    routing: Routing | None = None  # in a mixture of experts
    head_layers: tuple[int, ...] | None = None  # the layers that have heads; None: all

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


@dataclass(frozen=True)
class ConfigEntries:
    """The entries of a checkpoint's configuration, checked when they are read."""

    origin: str  # what error messages call the configuration
    values: Mapping[str, Any]
    defaults: Mapping[str, Any]  # the family's values for entries that are not there

    def positive_integer(self, key: str, default: int | None = None) -> int:
        """A whole number of at least 1; `default` if there is no entry, or it is null. Else raises MapsError."""
        value = self.values.get(key, self.defaults.get(key))
        value = default if value is None else value
        if key.endswith(GGUF_BY_LAYER) and isinstance(value, list) and len(set(value) - {0}) == 1:
            value = max(value)  # layers without heads have 0
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < LARGEST_NUMBER:
            raise MapsError(f"{self.origin} has no valid whole number for {key}, so the model cannot be mapped.")
        return value

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
GATING_FUNCTIONS: dict[int, Literal["softmax", "sigmoid"]] = {1: "softmax", 2: "sigmoid", 3: "softmax"}


@dataclass(frozen=True)
class RoutingRule:
    """What a family says of its routers, where a configuration does not."""

    score: Literal["softmax", "sigmoid"] = "softmax"
    normalises: bool = True  # by config.json
    normalises_in_gguf: bool = True  # by a GGUF file's metadata


def read_routing(entries: ConfigEntries, rule: RoutingRule) -> Routing:
    """How experts are chosen, from config.json."""
    key = next((key for key in EXPERT_COUNTS if entries.values.get(key) is not None), EXPERT_COUNTS[0])
    return Routing(
        experts=entries.positive_integer(key),
        chosen=entries.positive_integer("num_experts_per_tok"),
        score=rule.score,
        normalises=entries.is_set("norm_topk_prob", rule.normalises),
        scale=entries.factor("routed_scaling_factor"),
        groups=entries.positive_integer("n_group", 1),
        chosen_groups=entries.positive_integer("topk_group", 1),
    )


def read_gguf_routing(entries: ConfigEntries, architecture: str, rule: RoutingRule) -> Routing:
    """How experts are chosen, from a GGUF file's metadata."""
    function = entries.values.get(f"{architecture}.expert_gating_func")
    return Routing(
        experts=entries.positive_integer(f"{architecture}.expert_count"),
        chosen=entries.positive_integer(f"{architecture}.expert_used_count"),
        score=rule.score if function is None else GATING_FUNCTIONS.get(function, rule.score),
        normalises=entries.is_set(f"{architecture}.expert_weights_norm", rule.normalises_in_gguf),
        scale=entries.factor(f"{architecture}.expert_weights_scale"),
        groups=entries.positive_integer(f"{architecture}.expert_group_count", 1),
        chosen_groups=entries.positive_integer(f"{architecture}.expert_group_used_count", 1),
    )
