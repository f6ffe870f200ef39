"""A checkpoint as MAPS sees it: a shape, a vocabulary, and tensors that are read one by one by their role.

A role is what a tensor is for: embedding, value, output, mlp_up … (`TensorLayout` lists them). The family declares how
each role's tensor is named and laid out; a source (a GGUF file, safetensors files) reads it. The model itself is never
built.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import isfinite
from typing import Any, Protocol

import torch
from torch import Tensor

from maps.errors import MapsError
from maps.hashes import is_same_model
from maps.heads.norm import Norm
from maps.weights.family import (
    ATTENTION_ROLES,
    FUSED_QKV,
    LAYER_ROLES,
    SEPARATE_QKV,
    AttentionLayout,
    Family,
    TensorLayout,
)
from maps.weights.identity import hash_model
from maps.weights.packed import FP8_BLOCK, FP8_DTYPES, SCALE_ENDINGS, unpack_fp8
from maps.weights.shape import ModelShape
from maps.weights.stored import SplitSource, StoredTensor, TensorFiles
from maps.weights.tokens import Vocabulary

UNEMBEDDING = "unembedding"
MAPPING_ROLES = ("value", "output", "latent", "latent_norm")  # the weights of the heads that mapping reads
PLAIN_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


class TensorSource(Protocol):
    """Named tensors, on disk or on the Hub."""

    def names(self) -> set[str]:
        """The names of all tensors."""

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading the tensor."""

    def read(self, name: str) -> Tensor:
        """One tensor in the dtype that it is stored in; quantised ones of GGUF files in float32."""

    def stored_tensor(self, name: str) -> StoredTensor:
        """One tensor as it lies in its file."""


def is_of_mlp(role: str) -> bool:
    """Whether a tensor belongs to an MLP and the norm in front of it."""
    return role.startswith("mlp_") and role not in LAYER_ROLES


@dataclass(frozen=True)
class Checkpoint:
    """An opened model: reads tensors by role, checks their shapes, and cuts padding off the vocabulary."""

    model: str
    pinned_revision: str | None  # a commit on the Hub or a package's version; None: the weights tell
    shape: ModelShape
    vocabulary: Vocabulary
    source: TensorSource
    family: Family
    layout: TensorLayout  # the family's layout for this kind of file
    must_be_untied: bool = False  # by the configuration or the family, the unembedding is a tensor of its own
    fp8_block: tuple[int, int] = FP8_BLOCK  # rows and columns that share a scale
    is_on_disk: bool = True  # else its tensors are fetched one by one, and its commit tells which model it is

    @cached_property
    def weights(self) -> str | None:
        """The hash that identifies the model; None if its tensors are fetched from the Hub."""
        return self.hash_weights() if self.is_on_disk else None

    def hash_weights(self) -> str:
        """The hash of the weights as they are on disk now, see `identity.py`."""
        names = self.tensor_names()
        if isinstance(self.source, TensorFiles):  # of a large model, some people download the files of some layers only
            names = {name for name in names if self.source.file_of_tensor[name].exists()}
        return hash_model(
            self.shape, self.vocabulary, ((name, self.source.stored_tensor(name)) for name in sorted(names))
        )

    def tensor_names(self) -> set[str]:
        """The names of all tensors with a role, in all layers, and of their biases."""
        names = set()
        for role in self.layout.names:
            layers = range(self.shape.layers) if role in LAYER_ROLES else [self.shape.first_mlp]
            found = (self.find_tensor_name(role, i, j) for i in layers for j in self.experts_of(role))
            names |= {name for name in found if name is not None}
        biases = {name.removesuffix("weight") + "bias" for name in names if name.endswith("weight")}
        scales = {scale for name in names if (scale := self.scale_name(name)) is not None}
        return names | scales | biases & self.source.names()

    @property
    def revision(self) -> str:
        """What people call this state of the model: the pinned revision, else the beginning of its weights' hash."""
        return self.pinned_revision or str(self.weights)[:16]

    @property
    def identity(self) -> dict[str, str | None]:
        """What `atlas.json` and the settings of a run keep to know the model again."""
        return {"revision": self.revision, "weights": self.weights}

    def is_model_of(self, info: Mapping[str, Any]) -> bool:
        """Whether this is the model in an `atlas.json`."""
        return is_same_model(self.identity, info)

    def experts_of(self, role: str) -> range:
        """The experts that have a tensor of their own for a role; one for other roles."""
        routing, has_own = self.shape.routing, "{j}" in self.layout.names.get(role, "")
        return range(routing.experts if has_own and routing is not None else 1)

    def find_tensor_name(self, role: str, layer: int = 0, expert: int = 0) -> str | None:
        """The name of a role's tensor; None if the checkpoint has none."""
        if role not in self.layout.names:
            return None
        names = self.source.names()
        return next((name for name in self.layout.candidate_names(role, layer, expert) if name in names), None)

    def tensor_name(self, role: str, layer: int = 0) -> str:
        """The name of a role's tensor; raises MapsError if the checkpoint has none."""
        name = self.find_tensor_name(role, layer)
        if name is None:
            raise self.missing_tensor_error(*self.layout.candidate_names(role, layer))
        return name

    def missing_tensor_error(self, *names: str, advice: str = "") -> MapsError:
        """The error for a tensor that is there under none of its names, the usual one first."""
        by_index = self.source.missing_error(names) if isinstance(self.source, SplitSource) else None
        kind = f"a complete {self.shape.architecture} model"
        return by_index or MapsError(f"{self.model} has no tensor {names[0]}, so it is not {kind}{advice}.")

    def missing_unembedding_error(self) -> MapsError:
        """The error for a model whose unembedding must be a tensor of its own, and is missing."""
        names = self.layout.candidate_names(UNEMBEDDING)
        advice = '; if its embedding is the unembedding too, config.json must say so: "tie_word_embeddings": true'
        return self.missing_tensor_error(*names, advice=advice)

    def check_files(self, layers: Iterable[int], mlps: int = 1, roles: Sequence[str] = MAPPING_ROLES) -> None:
        """Raises MapsError if a file that holds a needed tensor is missing, damaged or not as its index says."""
        if isinstance(self.source, SplitSource):
            readable = {name for group in self.possible_names() for name in group}
            self.source.check_files(self.needed_tensors(layers, mlps, roles), readable)

    def check_copies(self) -> None:
        """Raises MapsError if a tensor lies in several files, also under two of its names, and no index says which."""
        source = self.source
        if not isinstance(source, SplitSource) or source.index is not None:
            return
        for group in self.possible_names():
            present = [name for name in group if name in source.names()]
            files = {file for name in present for file in source.files_with(name)}
            if len(files) > 1:
                raise source.copies_error(present[0], files)

    def possible_names(self) -> Iterator[list[str]]:
        """The names that each tensor with a role, and its bias, may have; the usual name first."""
        for role in self.layout.names:
            layers = range(self.shape.layers if role in LAYER_ROLES or is_of_mlp(role) else 1)
            for layer, expert in product(layers, self.experts_of(role)):
                names = self.layout.candidate_names(role, layer, expert)
                yield names
                yield [name.removesuffix("weight") + "bias" for name in names if name.endswith("weight")]

    def needed_tensors(self, layers: Iterable[int], mlps: int = 1, roles: Sequence[str] = MAPPING_ROLES) -> list[str]:
        """The names of the tensors that are read for some layers; raises MapsError if one is missing.

        `mlps` is the number of MLPs, counted from the first. `roles` are those of each layer's weights: what mapping
        reads, or others of LAYER_ROLES.
        """
        once = [role for role in self.layout.names if role not in LAYER_ROLES and not is_of_mlp(role)]
        names = [self.tensor_name("embedding"), *(self.find_tensor_name(role) for role in once if role != "embedding")]
        names += [self.bias_name("embedding_norm")]
        with_mlp = range(self.shape.first_mlp, self.shape.first_mlp + mlps)
        of_mlp = [(role, layer) for role in self.layout.names if is_of_mlp(role) for layer in with_mlp]
        names += [self.find_tensor_name(role, layer, j) for role, layer in of_mlp for j in self.experts_of(role)]
        names += [self.bias_name(role, layer) for role, layer in of_mlp]
        if self.must_be_untied and self.is_tied:
            raise self.missing_unembedding_error()
        for layer in layers:
            present = [role for role in roles if role in self.layout.names and not self.lacks_weights(role)]
            names += [self.locate_head_weights(role, layer)[0] for role in present]
            names += [self.bias_name(role, layer) for role in present if role == "attn_norm"]
        present = [name for name in names if name is not None and name in self.source.names()]
        return present + [scale for name in present if (scale := self.scale_name(name)) is not None]

    def locate_head_weights(self, role: str, layer: int) -> tuple[str, AttentionLayout]:
        """The name of the tensor with a role's weights in a layer, and how query, key and value are laid out in it."""
        if role not in ATTENTION_ROLES:
            return self.tensor_name(role, layer), SEPARATE_QKV
        if role != "query":
            layer = self.shape.values_from(layer)
        if role == "value" and self.layout.keys_may_be_values and self.find_tensor_name(role, layer) is None:
            role = "key"
        if self.layout.attention.is_fused:
            return self.tensor_name("value", layer), self.layout.attention
        if self.find_tensor_name(role, layer) is None and self.find_tensor_name("value_fused", layer) is not None:
            return self.tensor_name("value_fused", layer), FUSED_QKV
        return self.tensor_name(role, layer), self.layout.attention

    def scale_name(self, name: str) -> str | None:
        """The name of the scales of a weight that is stored in FP8; None if there is none."""
        return next((name + end for end in SCALE_ENDINGS if name + end in self.source.names()), None)

    def read(self, name: str) -> Tensor:
        """A tensor by its name, FP8 in float32; raises MapsError if it is quantised otherwise, or not finite."""
        tensor, title = self.source.read(name), f"The tensor {name} of {self.model}"
        scale = self.scale_name(name)
        if tensor.dtype in FP8_DTYPES and scale is not None:
            try:
                tensor = unpack_fp8(tensor, self.source.read(scale), self.fp8_block)
            except ValueError as error:
                raise MapsError(f"{title} cannot be read: {error}.") from error
        if tensor.dtype not in PLAIN_DTYPES:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise MapsError(f"{title} holds quantised weights ({kind}); use the unquantised model or a .gguf file.")
        if tensor.numel() and not all(isfinite(float(end)) for end in torch.aminmax(tensor)):  # NaN if any number is
            raise MapsError(f"{title} holds NaN or infinite weights; download the model again.")
        return tensor

    def read_with_shape(self, name: str, expected_shape: tuple[int, ...]) -> Tensor:
        """A tensor by its name; raises MapsError if it has another shape than the configuration implies."""
        shape = self.source.shape(name)
        if shape != expected_shape:
            raise MapsError(
                f"The tensor {name} of {self.model} has the shape {shape}, but its configuration says {expected_shape}."
            )
        return self.read(name)

    def head_weights(self, role: str, layer: int) -> Tensor:
        """W_Q, W_K or W_V of a layer's heads in float32: (H, d, d_h) for `query`, (KV, d, d_h) for the others.

        Of attention with latents, W_V is what makes of the latent a head's values: (H, rank, d_h).
        """
        (name, layout), shape = self.locate_head_weights(role, layer), self.shape.in_layer(layer)
        weight = self.read_with_shape(name, layout.shape(role, shape))
        return shape.scale(role, layout.heads(weight, role, shape).contiguous().float())

    def read_vocabulary_rows(self, role: str) -> Tensor:
        """The embedding or unembedding without its padding rows, (V, d), in the dtype that it is stored in."""
        name = self.tensor_name(role)
        shape = self.source.shape(name)
        if len(shape) != 2 or shape[0] < self.vocabulary.size or shape[1] != self.shape.width:
            raise MapsError(
                f"The {role} of {self.model} has the shape {shape}; with {self.vocabulary.size:,} ids "
                f"and width {self.shape.width}, it does not fit its tokenizer or configuration."
            )
        return self.read(name)[: self.vocabulary.size]

    @property
    def is_tied(self) -> bool:
        """Whether the embedding is the unembedding too."""
        return self.find_tensor_name(UNEMBEDDING) is None

    def embedding(self) -> Tensor:
        """E, (V, d), in the dtype that it is stored in; not yet multiplied by `shape.embedding_scale`."""
        return self.read_vocabulary_rows("embedding")

    def unembedding(self, embedding: Tensor) -> Tensor:
        """U with a row for each token, (V, d), in the dtype that it is stored in; `embedding` itself if it is tied."""
        if not self.is_tied:
            return self.read_vocabulary_rows(UNEMBEDDING)
        if self.must_be_untied:
            raise self.missing_unembedding_error()
        return embedding

    def value_weights(self, layer: int) -> Tensor:
        """W_V of every value head of a layer, (KV, d, d_h), in float32.

        With latents it is the product of the two matrices that make values of the stream, and of the gain between
        them: the norm there divides all values of a source by one number, which is left out.
        """
        weights = self.head_weights("value", layer)
        if self.shape.latent is None:
            return weights
        size = self.shape.latent.rank, self.shape.width
        gain, name = self.norm_gain("latent_norm", layer), self.tensor_name("latent", layer)
        latent = self.read(name)[: size[0]]  # behind them are keys that are rotated
        if gain is None or tuple(gain.shape) != size[:1] or tuple(latent.shape) != size:
            raise MapsError(f"The tensor {name} of {self.model} does not fit its configuration, which says {size}.")
        return ((latent.T.double() * gain.double()) @ weights.double()).float()

    def output_weights(self, layer: int) -> Tensor:
        """W_O of every head of a layer, (H, d_h, d), in float32."""
        layout, shape = self.layout.output, self.shape.in_layer(layer)
        weight = self.read_with_shape(self.tensor_name("output", layer), layout.shape(shape))
        return shape.scale("output", layout.heads(weight, shape).contiguous().float())

    def lacks_weights(self, role: str) -> bool:
        """Whether a role is that of a norm without weights."""
        if role == "embedding_norm" and self.family.norms_embeddings:
            return True
        return role in self.layout.names and role.endswith("_norm") and not self.family.norms_have_weights

    def norm_gain(self, role: str, layer: int = 0) -> Tensor | None:
        """A norm's gain, as it multiplies, in float32; None if the family has no such norm."""
        if self.lacks_weights(role):
            return torch.ones(self.shape.width)
        if role not in self.layout.names:
            return None
        gain = self.read(self.tensor_name(role, layer)).float()
        return gain + 1 if self.layout.norms_minus_one and role not in self.layout.whole_norms else gain

    def norm(self, role: str, layer: int = 0) -> Norm | None:
        """A norm over the model's width, in float32; None if the family has no such norm."""
        gain = self.norm_gain(role, layer)
        if gain is None:
            return None
        bias, shape = self.bias(role, layer), (self.shape.width,)
        if tuple(gain.shape) != shape or (bias is not None and tuple(bias.shape) != shape):
            raise MapsError(
                f"The tensor {self.tensor_name(role, layer)} of {self.model} does not fit its width {self.shape.width}."
            )
        return Norm(gain, self.shape.epsilon, self.family.norm == "LayerNorm", bias)

    def input_norm(self, layer: int) -> Norm | None:
        """The norm in front of a layer's attention; None if the family has none."""
        return self.norm("attn_norm", layer)

    def final_norm_gain(self) -> Tensor:
        """The final norm's gain, (d,), in float32."""
        gain, d = self.norm_gain("final_norm"), self.shape.width
        if gain is None or tuple(gain.shape) != (d,):
            raise MapsError(f"The final norm of {self.model} has a shape that does not fit its width {d}.")
        return gain

    def bias_name(self, role: str, layer: int = 0) -> str | None:
        """The name of the bias of a role's weight; None if there is no bias or no such weight."""
        weight = self.find_tensor_name(role, layer)
        bias = None if weight is None else weight.removesuffix("weight") + "bias"
        return bias if self.family.has_biases or bias in self.source.names() else None

    def bias(self, role: str, layer: int = 0) -> Tensor | None:
        """The bias of a role's weight in float32; raises MapsError if it is missing in a family that always has it."""
        name = self.bias_name(role, layer)
        if name is None:
            return None
        if name not in self.source.names():
            raise self.missing_tensor_error(name)
        return self.read(name).float()
