"""The numbers of a model's architecture, read from the entries of a config.json or of a GGUF file's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maps.errors import MapsError
from maps.heads.first_mlp import ACTIVATIONS

LARGEST_NUMBER = 1 << 22  # no number of a model that MAPS needs comes near


@dataclass(frozen=True)
class ModelShape:
    """The numbers of a model's architecture that MAPS needs; raises MapsError where heads can't share value heads.

    `embedding_scale` is what the model multiplies its embeddings by; a checkpoint's embedding is not scaled yet.
    """

    architecture: str
    layers: int
    heads: int
    kv_heads: int
    width: int
    head_width: int
    epsilon: float
    activation: str
    embedding_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise MapsError(
                f"The model's configuration gives {self.heads} heads and {self.kv_heads} value heads, which can't be "
                "shared evenly; download the model again."
            )


@dataclass(frozen=True)
class ConfigEntries:
    """What a checkpoint says of itself, by key; `origin` names it in sentences, `defaults` is what a family takes."""

    origin: str
    values: Mapping[str, Any]
    defaults: Mapping[str, Any]

    def positive_integer(self, key: str, default: int | None = None) -> int:
        """A whole number from 1 on; raises MapsError where there is none and no default for null."""
        value = self.values.get(key, self.defaults.get(key))
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < LARGEST_NUMBER:
            raise MapsError(f"{self.origin} does not say {key} as one number, so it cannot be mapped.")
        return value

    def fraction(self, key: str) -> float:
        """A number above 0."""
        value = self.values.get(key, self.defaults.get(key))
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
            raise MapsError(f"{self.origin} does not say {key} as a number below 1, so it cannot be mapped.")
        return float(value)

    def activation(self, key: str | None, default: str) -> str:
        """The name of a known activation."""
        name = str((self.values.get(key) if key else None) or default)
        if name not in ACTIVATIONS:
            raise MapsError(
                f"{self.origin} names the activation {name}, which is not known here; known are "
                f"{', '.join(sorted(ACTIVATIONS))}."
            )
        return name


def read_shape(
    architecture: str, entries: ConfigEntries, keys: Mapping[str, str], activation: str, scales_embeddings: bool
) -> ModelShape:
    """The shape that entries give under a family's keys; `scales_embeddings`: embeddings are multiplied by the root of the width.

    Without their own keys, there are as many value heads as heads, and heads share the width evenly.
    """
    heads, width = entries.positive_integer(keys["heads"]), entries.positive_integer(keys["width"])
    return ModelShape(
        architecture=architecture,
        layers=entries.positive_integer(keys["layers"]),
        heads=heads,
        kv_heads=entries.positive_integer(keys["kv_heads"], heads) if "kv_heads" in keys else heads,
        width=width,
        head_width=entries.positive_integer(keys["head_width"], width // heads)
        if "head_width" in keys
        else width // heads,
        epsilon=entries.fraction(keys["epsilon"]),
        activation=entries.activation(keys.get("activation"), activation),
        embedding_scale=width**0.5 if scales_embeddings else 1.0,
    )
