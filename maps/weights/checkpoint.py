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
from maps.weights.family import (
    ATTENTION_ROLES,
    FUSED_QKV,
    LAYER_ROLES,
    SEPARATE_QKV,
    AttentionLayout,
    Family,
    TensorLayout,
)
from maps.weights.shape import ModelShape
from maps.weights.stored import TensorFiles
from maps.weights.tokens import Vocabulary

UNEMBEDDING = "unembedding"
MAPPING_ROLES = ("value", "output")  # what mapping reads of the heads
PLAIN_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


class TensorSource(Protocol):
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

    `layout` is where this kind of checkpoint keeps the family's tensors; `declares_untied` where its configuration says that
    the unembedding is a tensor of its own.
    """

    model: str
    revision: str
    shape: ModelShape
    vocabulary: Vocabulary
    source: TensorSource
    family: Family
    layout: TensorLayout
    declares_untied: bool = False

    def find_tensor_name(self, role: str, layer: int = 0) -> str | None:
        """The name of a role's tensor; None where the checkpoint has none."""
        if role not in self.layout.names:
            return None
        names = self.source.names()
        return next((name for name in self.layout.candidate_names(role, layer) if name in names), None)

    def tensor_name(self, role: str, layer: int = 0) -> str:
        """The name of a role's tensor; raises MapsError where it is missing."""
        name = self.find_tensor_name(role, layer)
        if name is None:
            raise self.missing_tensor_error(self.layout.candidate_names(role, layer)[0])
        return name

    def missing_tensor_error(self, name: str) -> MapsError:
        """What is said where a tensor is missing."""
        return MapsError(f"{self.model} has no tensor {name}, so it is no complete {self.shape.architecture} model.")

    def check_files(
        self, layers: Iterable[int], first_mlp: bool = True, head_roles: Sequence[str] = MAPPING_ROLES
    ) -> None:
        """Raises MapsError where a file with what is read of these layers is missing or damaged."""
        if isinstance(self.source, TensorFiles):
            self.source.check_files(self.needed_tensors(layers, first_mlp, head_roles))

    def needed_tensors(
        self, layers: Iterable[int], first_mlp: bool = True, head_roles: Sequence[str] = MAPPING_ROLES
    ) -> list[str]:
        """The names of the tensors that are read of these layers; raises MapsError where some are missing.

        `head_roles` are the roles of the heads' weights that are asked for: what mapping reads, or others of PER_LAYER.
        """
        roles = [role for role in self.layout.names if role not in LAYER_ROLES]
        roles = [role for role in roles if first_mlp or not role.startswith("mlp_")]
        names = [self.tensor_name("embedding"), *(self.find_tensor_name(role) for role in roles if role != "embedding")]
        names += [self.mlp_bias_name(role) for role in roles if role.startswith("mlp_")]
        names += [self.tensor_name(UNEMBEDDING)] if self.declares_untied and self.is_tied else []
        for layer in layers:
            names += [self.locate_head_weights(role, layer)[0] for role in head_roles]
        return [name for name in names if name is not None and name in self.source.names()]

    def locate_head_weights(self, role: str, layer: int) -> tuple[str, AttentionLayout]:
        """The tensor that holds weights of a layer's heads, and how query, key and value lie in it."""
        if role not in ATTENTION_ROLES:
            return self.tensor_name(role, layer), SEPARATE_QKV
        if self.layout.attention.is_fused:
            return self.tensor_name("value", layer), self.layout.attention
        if self.find_tensor_name(role, layer) is None and self.find_tensor_name("value_fused", layer) is not None:
            return self.tensor_name("value_fused", layer), FUSED_QKV
        return self.tensor_name(role, layer), SEPARATE_QKV

    def read(self, name: str) -> Tensor:
        """A tensor by its name; raises MapsError where it holds numbers that are not finite, or no plain ones."""
        tensor = self.source.read(name)
        if tensor.dtype not in PLAIN_DTYPES:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise MapsError(
                f"The tensor {name} of {self.model} holds quantised weights ({kind}); take the unquantised model "
                "or a .gguf file."
            )
        if tensor.numel() and not all(isfinite(float(end)) for end in torch.aminmax(tensor)):  # NaN passes through
            raise MapsError(f"The tensor {name} of {self.model} holds NaN or infinite weights; get a sound copy.")
        return tensor

    def read_with_shape(self, name: str, expected_shape: tuple[int, ...]) -> Tensor:
        """A tensor of the heads; raises MapsError where its shape is not the one that the configuration says."""
        shape = self.source.shape(name)
        if shape != expected_shape:
            raise MapsError(
                f"The tensor {name} of {self.model} has the shape {shape} where its configuration says {expected_shape}."
            )
        return self.read(name)

    def head_weights(self, role: str, layer: int) -> Tensor:
        """W_Q, W_K or W_V of a layer's heads, (heads, d, d_h), in float32; of keys and values there may be fewer."""
        name, layout = self.locate_head_weights(role, layer)
        weight = self.read_with_shape(name, layout.shape(role, self.shape))
        return layout.heads(weight, role, self.shape).contiguous().float()

    def read_vocabulary_rows(self, role: str) -> Tensor:
        """The embedding's or unembedding's rows of the ids that the tokenizer knows, (V, d), as they are stored."""
        name = self.tensor_name(role)
        shape = self.source.shape(name)
        if len(shape) != 2 or shape[0] < self.vocabulary.size or shape[1] != self.shape.width:
            raise MapsError(
                f"The {role} of {self.model} has the shape {shape}; with {self.vocabulary.size:,} ids "
                f"and width {self.shape.width} it does not fit its tokenizer or configuration."
            )
        return self.read(name)[: self.vocabulary.size]

    @property
    def is_tied(self) -> bool:
        """Whether the embedding serves as the unembedding too."""
        return self.find_tensor_name(UNEMBEDDING) is None

    def embedding(self) -> Tensor:
        """E, (V, d), in the dtype it is stored in and not scaled: see `shape.embedding_scale`."""
        return self.read_vocabulary_rows("embedding")

    def unembedding(self, embedding: Tensor) -> Tensor:
        """U's columns as rows, (V, d), as stored: the embedding itself where the model ties them."""
        if not self.is_tied:
            return self.read_vocabulary_rows(UNEMBEDDING)
        if self.declares_untied:
            raise self.missing_tensor_error(self.layout.candidate_names(UNEMBEDDING)[0])
        return embedding

    def value_weights(self, layer: int) -> Tensor:
        """W_V of every value head of a layer, (KV, d, d_h), in float32."""
        return self.head_weights("value", layer)

    def output_weights(self, layer: int) -> Tensor:
        """W_O of every head of a layer, (H, d_h, d), in float32."""
        layout = self.layout.output
        weight = self.read_with_shape(self.tensor_name("output", layer), layout.shape(self.shape))
        return layout.heads(weight, self.shape).contiguous().float()

    def norm_gain(self, role: str, layer: int = 0) -> Tensor | None:
        """What a norm multiplies by, in float32; None where the family has no such norm."""
        if role not in self.layout.names:
            return None
        gain = self.read(self.tensor_name(role, layer)).float()
        return gain + 1 if self.layout.norms_minus_one else gain

    def final_norm_gain(self) -> Tensor:
        """What the final norm multiplies by, (d,), in float32."""
        gain, d = self.norm_gain("final_norm"), self.shape.width
        if gain is None or tuple(gain.shape) != (d,):
            raise MapsError(f"The final norm of {self.model} has a shape that does not fit its width {d}.")
        return gain

    def mlp_weight(self, role: str) -> Tensor | None:
        """A weight of the first MLP, (outputs, inputs), in float32; None where the family has none."""
        if role not in self.layout.names:
            return None
        weight = self.read(self.tensor_name(role)).float()
        return weight.T.contiguous() if self.layout.mlp_inputs_first else weight

    def mlp_bias_name(self, role: str) -> str | None:
        """The name of the bias that goes with a role's weight; None where there is none, or no such role."""
        weight = self.find_tensor_name(role)
        bias = None if weight is None else weight.removesuffix("weight") + "bias"
        return bias if self.family.has_biases or bias in self.source.names() else None

    def mlp_bias(self, role: str) -> Tensor | None:
        """The bias that goes with a role's weight, in float32; raises MapsError where the family's is missing."""
        name = self.mlp_bias_name(role)
        if name is None:
            return None
        if name not in self.source.names():
            raise self.missing_tensor_error(name)
        return self.read(name).float()

    def gate_and_up(self) -> tuple[Tensor | None, Tensor | None]:
        """Gate and up of the first MLP, where they lie in one tensor: gate first."""
        both = self.mlp_weight("mlp_gate_up")
        if both is None:
            return self.mlp_weight("mlp_gate"), self.mlp_weight("mlp_up")
        gate, up = both.tensor_split(2)
        return gate, up

    def first_mlp(self) -> FirstMlp:
        """The first block's MLP with the norm that feeds it, in float32."""
        d = self.shape.width
        (gate, up), down = self.gate_and_up(), self.mlp_weight("mlp_down")
        inner = 0 if up is None else len(up)
        shapes = {"norm": (d,), "gate": (inner, d), "up": (inner, d), "down": (d, inner)}
        tensors = {"norm": self.norm_gain("mlp_norm"), "gate": gate, "up": up, "down": down}
        biases = {f"{name}_bias": self.mlp_bias(f"mlp_{name}") for name in shapes}
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
            subtracts_mean=self.family.norm == "LayerNorm",
            **biases,
        )
