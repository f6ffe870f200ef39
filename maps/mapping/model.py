"""A model as MAPS reads it: E, U and Ẽ once, when they are first needed, and layers one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from maps.errors import MapsError
from maps.heads.circuit import HeadWeights, saliency
from maps.heads.relation_scores import UsablePairs, default_k, select_usable_pairs
from maps.heads.salient_tokens import SalientMappings
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets
from maps.heads.unembedding import Unembedding
from maps.types import DTYPES, HeadId, Mapping, Relation
from maps.weights.checkpoint import Checkpoint
from maps.weights.open import open_checkpoint
from maps.weights.shape import ModelShape
from maps.weights.tokens import Vocabulary

LAYER_CACHE_BYTES = 1 << 30  # bytes of layers that are kept for those who ask about all of them again and again
TORCH_DTYPES = {"stored": None, "float32": torch.float32, "bfloat16": torch.bfloat16}  # None: as the checkpoint has it


def find_device(name: str) -> torch.device:
    """A device of this machine; raises MapsError for any other name."""
    try:
        probe = torch.zeros(1, dtype=torch.float64, device=name)
        probe.cpu()  # a device such as `meta` holds no values
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise MapsError(f"The device {name} cannot be used here; leave out --device to compute on the CPU.") from error
    return probe.device


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """A layer's heads and what they read. What is computed of them is computed once."""

    sources: Sources
    heads: HeadWeights  # float32
    final_norm_gain: Tensor | None  # (d,) of the final norm, where it is asked for

    @cached_property
    def exact_heads(self) -> HeadWeights:
        """The heads in float64."""
        return self.heads.to_float64()

    @cached_property
    def scoring_heads(self) -> HeadWeights:
        """The heads in float64 with the final norm's gain on their outputs, where that is asked for."""
        return (
            self.exact_heads
            if self.final_norm_gain is None
            else HeadWeights(self.exact_heads.values, self.exact_heads.outputs * self.final_norm_gain)
        )

    @cached_property
    def saliency(self) -> Tensor:
        """The saliency of every token under every head in float32, (H, V)."""
        return saliency(self.sources, self.heads)


class Model:
    """A model's weights. E, U and Ẽ are read when they are first needed and kept; of the layers only the last is.

    `requested_name` is what the model was opened by. `dtype` is what E and U are kept in, `first_mlp` whether later layers
    read MLP₀(norm(E)) and not E, `final_norm` whether the final norm's gain goes on U's side (docs/contract.md).
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        requested_name: str,
        device: torch.device,
        dtype: str = "stored",
        first_mlp: bool = True,
        final_norm: bool = False,
    ) -> None:
        if dtype not in DTYPES:
            raise MapsError(f"There is no dtype {dtype}; the dtypes are {', '.join(DTYPES)}.")
        self.checkpoint = checkpoint
        self.requested_name = requested_name
        self.device = device
        self.dtype = dtype
        self.first_mlp = first_mlp
        self.final_norm = final_norm
        self._last_layer: tuple[int, LayerWeights] | None = None
        self._cached_heads: dict[int, HeadWeights] = {}
        self.mean_saliency: dict[int, Tensor] = {}  # of each head (H,), by layer, once somebody asked for it
        self._cached_pairs: tuple[tuple[tuple[Relation, ...], int | None], UsablePairs] | None = None

    @classmethod
    def open(
        cls, name: str, device: str = "cpu", dtype: str = "stored", first_mlp: bool = True, final_norm: bool = False
    ) -> Model:
        """Opens a checkpoint; reads its configuration and its tokenizer, but no tensor yet."""
        where = find_device(device)
        return cls(open_checkpoint(name), name, where, dtype, first_mlp, final_norm)

    def __repr__(self) -> str:
        s = self.shape
        return f"<Model {self.name}: {s.layers} layers of {s.heads} heads, {self.vocabulary.size:,} tokens>"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.checkpoint.model

    @property
    def shape(self) -> ModelShape:
        """Its numbers: layers, heads, kv_heads, width, head_width and others."""
        return self.checkpoint.shape

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that its tokenizer knows."""
        return self.checkpoint.vocabulary

    @cached_property
    def embedding(self) -> Tensor:
        """E, (V, d), in the dtype that was asked for and not scaled."""
        return self.checkpoint.embedding().to(self.device, TORCH_DTYPES[self.dtype])

    @cached_property
    def unembedding(self) -> Unembedding:
        """U, prepared for rank tests."""
        return Unembedding.from_tensor(
            self.checkpoint.unembedding(self.embedding).to(self.device, TORCH_DTYPES[self.dtype])
        )

    @cached_property
    def final_norm_gain(self) -> Tensor | None:
        """What the final norm multiplies by, (d,) float64; None where it was not asked for."""
        return self.checkpoint.final_norm_gain().to(self.device).double() if self.final_norm else None

    @cached_property
    def embedding_sources(self) -> Sources:
        """What layer 0 reads: E."""
        return Sources(self.embedding, scale=self.shape.embedding_scale)

    @cached_property
    def mlp_sources(self) -> Sources:
        """What later layers read: Ẽ, the first MLP's output, or E without it."""
        if not self.first_mlp:
            return self.embedding_sources
        return Sources(self.embedding, self.checkpoint.first_mlp().to(self.device), self.shape.embedding_scale)

    def layer(self, layer: int) -> LayerWeights:
        """A layer's weights, (KV, d, d_h) and (H, d_h, d) in float32. The last one that was asked for is kept."""
        if self._last_layer is None or self._last_layer[0] != layer:
            self._last_layer = None  # before the next is read: never two at once
            self._last_layer = layer, self._add_sources(layer, self._read_heads(layer))
        return self._last_layer[1]

    def is_layer_cached(self, layer: int) -> bool:
        """Whether a layer's weights stay in memory."""
        return layer in self._cached_heads

    def cached_layer(self, layer: int) -> LayerWeights:
        """The same, its weights kept in memory; where all layers would take more than KEPT_LAYERS, read each time."""
        s = self.shape
        size = 4 * s.layers * (s.heads + s.kv_heads) * s.width * s.head_width
        heads = self._cached_heads.get(layer) or self._read_heads(layer)
        if size <= LAYER_CACHE_BYTES:
            self._cached_heads[layer] = heads
        return self._add_sources(layer, heads)

    def _read_heads(self, layer: int) -> HeadWeights:
        values, outputs = self.checkpoint.value_weights(layer), self.checkpoint.output_weights(layer)
        return HeadWeights(values.to(self.device), outputs.to(self.device))

    def _add_sources(self, layer: int, heads: HeadWeights) -> LayerWeights:
        return LayerWeights(self.embedding_sources if layer == 0 else self.mlp_sources, heads, self.final_norm_gain)

    def head(self, head: HeadId | str) -> HeadId:
        """One of its heads, by id or as `L26H2`; raises MapsError where it has none of that name."""
        where = HeadId.parse(head) if isinstance(head, str) else HeadId(*head)
        if not (0 <= where.layer < self.shape.layers and 0 <= where.head < self.shape.heads):
            last = HeadId(self.shape.layers - 1, self.shape.heads - 1)
            raise MapsError(f"{self.name} has no head {where}: its heads are L0H0 to {last}.")
        return where

    def usable_pairs(self, relations: Sequence[Relation], k: int | None = None) -> UsablePairs:
        """The usable pairs of relations; k is the paper's where it is None. Those last asked for are kept."""
        asked = tuple(relations), k
        if self._cached_pairs is None or self._cached_pairs[0] != asked:
            known = self.vocabulary
            found = [select_usable_pairs(r, known.single_token_ids, k or default_k(r, known.size)) for r in asked[0]]
            self._cached_pairs = asked, UsablePairs.from_relations(found, self.device)
        return self._cached_pairs[1]

    def mappings(self, salient: SalientMappings, targets: Targets) -> list[list[Mapping]]:
        """Each head's ids and scores as mappings with their tokens' text."""
        tokens = self.vocabulary.tokens
        columns = (salient.sources, salient.saliency, targets.ids, targets.scores)
        heads = zip(*(column.tolist() for column in columns), strict=True)
        return [
            [
                Mapping(rank, i, tokens[i], sigma, tuple(best), tuple(tokens[t] for t in best), tuple(scores))
                for rank, (i, sigma, best, scores) in enumerate(zip(*head, strict=False), start=1)
            ]
            for head in heads
        ]
