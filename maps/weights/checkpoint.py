"""A checkpoint as MAPS sees it: a shape, a vocabulary and the few tensors that are read from it.

A family declares where its tensors lie; a source (a GGUF file, a folder of safetensors) hands them out one by
one as float32. Nothing else of the model is ever read or built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from maps.circuits import FirstMlp
from maps.types import MapsError
from maps.weights.tokens import Vocabulary

UNEMBEDDING = "unembedding"


@dataclass(frozen=True)
class Shape:
    """The numbers of a model's architecture that MAPS needs; raises MapsError where heads can't share value heads."""

    architecture: str
    layers: int
    heads: int
    kv_heads: int
    width: int
    head_width: int
    epsilon: float
    activation: str

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise MapsError(
                f"The model's configuration gives {self.heads} heads and {self.kv_heads} value heads, which can't be "
                "shared evenly; download the model again."
            )


@dataclass(frozen=True)
class Family:
    """Where a family keeps what MAPS reads.

    `names` maps a role (embedding, unembedding, value, output, mlp_norm, mlp_gate, mlp_up, mlp_down) to the
    tensor's name in a Hugging Face checkpoint, `{i}` standing for the layer. A model without the unembedding's
    name ties it to the embedding.
    """

    name: str
    names: Mapping[str, str]
    gguf_names: Mapping[str, str]
    activations: Mapping[str, Callable[[Tensor], Tensor]]


class Source(Protocol):
    """Named tensors on disk."""

    def names(self) -> set[str]:
        """The names of all tensors."""

    def read(self, name: str) -> Tensor:
        """One tensor, in float32."""


@dataclass(frozen=True)
class Checkpoint:
    """An opened model: reads tensors by role, checks their shapes, slices padding off the vocabulary."""

    model: str
    revision: str
    shape: Shape
    vocabulary: Vocabulary
    source: Source
    names: Mapping[str, str]
    activation: Callable[[Tensor], Tensor]

    def has(self, role: str) -> bool:
        """Whether the checkpoint holds the tensor of this role (layer 0's)."""
        return self.names[role].format(i=0) in self.source.names()

    def read(self, role: str, layer: int = 0) -> Tensor:
        """The tensor of a role; raises MapsError where it is missing or holds numbers that are not finite."""
        name = self.names[role].format(i=layer)
        if name not in self.source.names():
            raise MapsError(f"{self.model} has no tensor {name}, so it is no complete {self.shape.architecture} model.")
        tensor = self.source.read(name)
        if not bool(torch.isfinite(tensor).all()):
            raise MapsError(f"The tensor {name} of {self.model} holds NaN or infinite weights; get a sound copy.")
        return tensor

    def matrix(self, role: str, rows: int, columns: int, layer: int = 0) -> Tensor:
        """A tensor of a role whose shape must be (rows, columns)."""
        tensor = self.read(role, layer)
        if tuple(tensor.shape) != (rows, columns):
            raise MapsError(
                f"The tensor {self.names[role].format(i=layer)} of {self.model} has the shape "
                f"{tuple(tensor.shape)} where its configuration says {(rows, columns)}."
            )
        return tensor

    def vocabulary_rows(self, role: str) -> Tensor:
        """The embedding's or unembedding's rows of the ids that the tokenizer knows, (V, d)."""
        rows = self.read(role)
        if rows.ndim != 2 or rows.shape[0] < self.vocabulary.size or rows.shape[1] != self.shape.width:
            raise MapsError(
                f"The {role} of {self.model} has the shape {tuple(rows.shape)}; with {self.vocabulary.size:,} ids "
                f"and width {self.shape.width} it does not fit its tokenizer or configuration."
            )
        return rows[: self.vocabulary.size]

    def embedding(self) -> Tensor:
        """E, (V, d)."""
        return self.vocabulary_rows("embedding")

    def unembedding(self, embedding: Tensor) -> Tensor:
        """U's columns as rows, (V, d): the embedding itself where the model ties them."""
        return self.vocabulary_rows(UNEMBEDDING) if self.has(UNEMBEDDING) else embedding

    def first_mlp(self) -> FirstMlp:
        """The first block's MLP with the norm that precedes it."""
        d = self.shape.width
        gate, up, down = self.read("mlp_gate"), self.read("mlp_up"), self.read("mlp_down")
        norm, inner = self.read("mlp_norm"), gate.shape[0]
        found = [tuple(tensor.shape) for tensor in (norm, gate, up, down)]
        if found != [(d,), (inner, d), (inner, d), (d, inner)]:
            raise MapsError(f"The first MLP of {self.model} has tensors whose shapes do not fit its width {d}.")
        return FirstMlp(
            norm=norm,
            epsilon=self.shape.epsilon,
            gate=gate,
            up=up,
            down=down,
            activation=self.activation,
        )

    def values(self, layer: int) -> Tensor:
        """W_V of every value head of a layer, (KV, d, d_h)."""
        s = self.shape
        weight = self.matrix("value", s.kv_heads * s.head_width, s.width, layer)
        return weight.view(s.kv_heads, s.head_width, s.width).transpose(1, 2).contiguous()

    def outputs(self, layer: int) -> Tensor:
        """W_O of every head of a layer, (H, d_h, d)."""
        s = self.shape
        weight = self.matrix("output", s.width, s.heads * s.head_width, layer)
        return weight.T.reshape(s.heads, s.head_width, s.width).contiguous()
