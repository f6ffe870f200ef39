"""A checkpoint as MAPS sees it: a shape, a vocabulary and the few tensors that are read from it.

A family declares where its tensors lie; a source (a GGUF file, a folder of safetensors) hands them out one by
one as they are stored. Nothing else of the model is ever read or built.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import torch
from torch import Tensor

from maps.errors import MapsError
from maps.heads.first_mlp import ACTIVATIONS, FirstMlp
from maps.weights.family import APART, FUSED, PER_LAYER, ROLES, Family, Layout, Place
from maps.weights.shape import Shape
from maps.weights.stored import Files
from maps.weights.tokens import Vocabulary

UNEMBEDDING = "unembedding"
MAPPED = ("value", "output")  # what mapping reads of the heads
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


class Source(Protocol):
    """Named tensors on disk."""

    def names(self) -> set[str]:
        """The names of all tensors."""

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading it."""

    def read(self, name: str) -> Tensor:
        """One tensor, in the dtype that it is stored in; quantised ones in float32."""


@dataclass(frozen=True)
class Checkpoint:
    """An opened model: reads tensors by role, checks their shapes, slices padding off the vocabulary.

    `place` is where this kind of checkpoint keeps the family's tensors; `untied` where its configuration says that
    the unembedding is a tensor of its own.
    """

    model: str
    revision: str
    shape: Shape
    vocabulary: Vocabulary
    source: Source
    family: Family
    place: Place
    untied: bool = False

    def found(self, role: str, layer: int = 0) -> str | None:
        """The name of a role's tensor; None where the checkpoint has none."""
        if role not in self.place.names:
            return None
        names = self.source.names()
        return next((name for name in self.place.candidates(role, layer) if name in names), None)

    def name(self, role: str, layer: int = 0) -> str:
        """The name of a role's tensor; raises MapsError where it is missing."""
        name = self.found(role, layer)
        if name is None:
            raise self.lacks(self.place.candidates(role, layer)[0])
        return name

    def lacks(self, name: str) -> MapsError:
        """What is said where a tensor is missing."""
        return MapsError(f"{self.model} has no tensor {name}, so it is no complete {self.shape.architecture} model.")

    def require(self, layers: Iterable[int], first_mlp: bool = True, heads: Sequence[str] = MAPPED) -> None:
        """Raises MapsError where a file with what is read of these layers is missing or damaged."""
        if isinstance(self.source, Files):
            self.source.require(self.needed(layers, first_mlp, heads))

    def needed(self, layers: Iterable[int], first_mlp: bool = True, heads: Sequence[str] = MAPPED) -> list[str]:
        """The names of the tensors that are read of these layers; raises MapsError where some are missing.

        `heads` are the roles of the heads' weights that are asked for: what mapping reads, or others of PER_LAYER.
        """
        roles = [role for role in self.place.names if role not in PER_LAYER]
        roles = [role for role in roles if first_mlp or not role.startswith("mlp_")]
        names = [self.name("embedding"), *(self.found(role) for role in roles if role != "embedding")]
        names += [self.bias_name(role) for role in roles if role.startswith("mlp_")]
        names += [self.name(UNEMBEDDING)] if self.untied and self.tied else []
        for layer in layers:
            names += [self.holding(role, layer)[0] for role in heads]
        return [name for name in names if name is not None and name in self.source.names()]

    def holding(self, role: str, layer: int) -> tuple[str, Layout]:
        """The tensor that holds weights of a layer's heads, and how query, key and value lie in it."""
        if role not in ROLES:
            return self.name(role, layer), APART
        if self.place.attention.joined:
            return self.name("value", layer), self.place.attention
        if self.found(role, layer) is None and self.found("value_fused", layer) is not None:
            return self.name("value_fused", layer), FUSED
        return self.name(role, layer), APART

    def read(self, name: str) -> Tensor:
        """A tensor by its name; raises MapsError where it holds numbers that are not finite, or no plain ones."""
        tensor = self.source.read(name)
        if tensor.dtype not in DTYPES:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise MapsError(
                f"The tensor {name} of {self.model} holds quantised weights ({kind}); take the unquantised model "
                "or a .gguf file."
            )
        if tensor.numel() and not all(isfinite(float(end)) for end in torch.aminmax(tensor)):  # NaN passes through
            raise MapsError(f"The tensor {name} of {self.model} holds NaN or infinite weights; get a sound copy.")
        return tensor

    def shaped(self, name: str, wanted: tuple[int, ...]) -> Tensor:
        """A tensor of the heads; raises MapsError where its shape is not the one that the configuration says."""
        shape = self.source.shape(name)
        if shape != wanted:
            raise MapsError(
                f"The tensor {name} of {self.model} has the shape {shape} where its configuration says {wanted}."
            )
        return self.read(name)

    def heads(self, role: str, layer: int) -> Tensor:
        """W_Q, W_K or W_V of a layer's heads, (heads, d, d_h), in float32; of keys and values there may be fewer."""
        name, layout = self.holding(role, layer)
        weight = self.shaped(name, layout.shape(role, self.shape))
        return layout.heads(weight, role, self.shape).contiguous().float()

    def vocabulary_rows(self, role: str) -> Tensor:
        """The embedding's or unembedding's rows of the ids that the tokenizer knows, (V, d), as they are stored."""
        name = self.name(role)
        shape = self.source.shape(name)
        if len(shape) != 2 or shape[0] < self.vocabulary.size or shape[1] != self.shape.width:
            raise MapsError(
                f"The {role} of {self.model} has the shape {shape}; with {self.vocabulary.size:,} ids "
                f"and width {self.shape.width} it does not fit its tokenizer or configuration."
            )
        return self.read(name)[: self.vocabulary.size]

    @property
    def tied(self) -> bool:
        """Whether the embedding serves as the unembedding too."""
        return self.found(UNEMBEDDING) is None

    def embedding(self) -> Tensor:
        """E, (V, d), in the dtype it is stored in and not scaled: see `shape.embedding_scale`."""
        return self.vocabulary_rows("embedding")

    def unembedding(self, embedding: Tensor) -> Tensor:
        """U's columns as rows, (V, d), as stored: the embedding itself where the model ties them."""
        if not self.tied:
            return self.vocabulary_rows(UNEMBEDDING)
        if self.untied:
            raise self.lacks(self.place.candidates(UNEMBEDDING)[0])
        return embedding

    def values(self, layer: int) -> Tensor:
        """W_V of every value head of a layer, (KV, d, d_h), in float32."""
        return self.heads("value", layer)

    def outputs(self, layer: int) -> Tensor:
        """W_O of every head of a layer, (H, d_h, d), in float32."""
        layout = self.place.output
        weight = self.shaped(self.name("output", layer), layout.shape(self.shape))
        return layout.heads(weight, self.shape).contiguous().float()

    def gain(self, role: str, layer: int = 0) -> Tensor | None:
        """What a norm multiplies by, in float32; None where the family has no such norm."""
        if role not in self.place.names:
            return None
        gain = self.read(self.name(role, layer)).float()
        return gain + 1 if self.place.less_one else gain

    def final_gain(self) -> Tensor:
        """What the final norm multiplies by, (d,), in float32."""
        gain, d = self.gain("final_norm"), self.shape.width
        if gain is None or tuple(gain.shape) != (d,):
            raise MapsError(f"The final norm of {self.model} has a shape that does not fit its width {d}.")
        return gain

    def weight(self, role: str) -> Tensor | None:
        """A weight of the first MLP, (outputs, inputs), in float32; None where the family has none."""
        if role not in self.place.names:
            return None
        weight = self.read(self.name(role)).float()
        return weight.T.contiguous() if self.place.transposed else weight

    def bias_name(self, role: str) -> str | None:
        """The name of the bias that goes with a role's weight; None where there is none, or no such role."""
        weight = self.found(role)
        bias = None if weight is None else weight.removesuffix("weight") + "bias"
        return bias if self.family.biased or bias in self.source.names() else None

    def bias(self, role: str) -> Tensor | None:
        """The bias that goes with a role's weight, in float32; raises MapsError where the family's is missing."""
        name = self.bias_name(role)
        if name is None:
            return None
        if name not in self.source.names():
            raise self.lacks(name)
        return self.read(name).float()

    def halves(self) -> tuple[Tensor | None, Tensor | None]:
        """Gate and up of the first MLP, where they lie in one tensor: gate first."""
        both = self.weight("mlp_gate_up")
        if both is None:
            return self.weight("mlp_gate"), self.weight("mlp_up")
        gate, up = both.tensor_split(2)
        return gate, up

    def first_mlp(self) -> FirstMlp:
        """The first block's MLP with the norm that feeds it, in float32."""
        d = self.shape.width
        (gate, up), down = self.halves(), self.weight("mlp_down")
        inner = 0 if up is None else len(up)
        shapes = {"norm": (d,), "gate": (inner, d), "up": (inner, d), "down": (d, inner)}
        tensors = {"norm": self.gain("mlp_norm"), "gate": gate, "up": up, "down": down}
        biases = {f"{name}_bias": self.bias(f"mlp_{name}") for name in shapes}
        shapes |= {f"{name}_bias": shape[:1] for name, shape in shapes.items()}
        wrong = [n for n, x in {**tensors, **biases}.items() if x is not None and tuple(x.shape) != shapes[n]]
        if wrong or up is None or down is None:
            raise MapsError(f"The first MLP of {self.model} has tensors whose shapes do not fit its width {d}.")
        return FirstMlp(
            norm=tensors["norm"],
            epsilon=self.shape.epsilon,
            gate=gate,
            up=up,
            down=down,
            activation=ACTIVATIONS[self.shape.activation],
            centred=self.family.norm == "LayerNorm",
            **biases,
        )
