"""A model as MAPS reads it: E, U and Ẽ once, when they are first needed, and layers one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from maps.errors import MapsError
from maps.heads.circuit import Heads, saliency
from maps.heads.relation_scores import Pairs, default_k, usable
from maps.heads.salient_tokens import SalientMappings
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets
from maps.heads.unembedding import Columns
from maps.types import DTYPES, HeadId, Mapping, Relation
from maps.weights import Checkpoint, open_checkpoint
from maps.weights.shape import Shape
from maps.weights.tokens import Vocabulary

KEPT_LAYERS = 1 << 30  # bytes of layers that are kept for those who ask about all of them again and again
KEPT = {"stored": None, "float32": torch.float32, "bfloat16": torch.bfloat16}  # None: as the checkpoint has it


def device_named(name: str) -> torch.device:
    """A device of this machine; raises MapsError for any other name."""
    try:
        probe = torch.zeros(1, dtype=torch.float64, device=name)
        probe.cpu()  # a device such as `meta` holds no values
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise MapsError(f"The device {name} cannot be used here; leave out --device to compute on the CPU.") from error
    return probe.device


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer's heads and what they read. What is computed of them is computed once."""

    sources: Sources
    heads: Heads  # float32
    gain: Tensor | None  # (d,) of the final norm, where it is asked for

    @cached_property
    def exact(self) -> Heads:
        """The heads in float64."""
        return self.heads.double()

    @cached_property
    def reading(self) -> Heads:
        """The heads in float64 with the final norm's gain on their outputs, where that is asked for."""
        return self.exact if self.gain is None else Heads(self.exact.values, self.exact.outputs * self.gain)

    @cached_property
    def sigma(self) -> Tensor:
        """The saliency of every token under every head in float32, (H, V)."""
        return saliency(self.sources, self.heads)


class Model:
    """A model's weights. E, U and Ẽ are read when they are first needed and kept; of the layers only the last is.

    `asked_for` is what the model was opened by. `dtype` is what E and U are kept in, `first_mlp` whether later layers
    read MLP₀(norm(E)) and not E, `final_norm` whether the final norm's gain goes on U's side (docs/contract.md).
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        asked_for: str,
        device: torch.device,
        dtype: str = "stored",
        first_mlp: bool = True,
        final_norm: bool = False,
    ) -> None:
        if dtype not in DTYPES:
            raise MapsError(f"There is no dtype {dtype}; the dtypes are {', '.join(DTYPES)}.")
        self.checkpoint = checkpoint
        self.asked_for = asked_for
        self.device = device
        self.dtype = dtype
        self.first_mlp = first_mlp
        self.final_norm = final_norm
        self._layer: tuple[int, Layer] | None = None
        self._heads: dict[int, Heads] = {}
        self.mean_saliency: dict[int, Tensor] = {}  # of each head (H,), by layer, once somebody asked for it
        self._pairs: tuple[tuple[tuple[Relation, ...], int | None], Pairs] | None = None

    @classmethod
    def open(
        cls, name: str, device: str = "cpu", dtype: str = "stored", first_mlp: bool = True, final_norm: bool = False
    ) -> Model:
        """Opens a checkpoint; reads its configuration and its tokenizer, but no tensor yet."""
        where = device_named(device)
        return cls(open_checkpoint(name), name, where, dtype, first_mlp, final_norm)

    def __repr__(self) -> str:
        s = self.shape
        return f"<Model {self.name}: {s.layers} layers of {s.heads} heads, {self.vocabulary.size:,} tokens>"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.checkpoint.model

    @property
    def shape(self) -> Shape:
        """Its numbers: layers, heads, kv_heads, width, head_width and others."""
        return self.checkpoint.shape

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that its tokenizer knows."""
        return self.checkpoint.vocabulary

    @cached_property
    def embedding(self) -> Tensor:
        """E, (V, d), in the dtype that was asked for and not scaled."""
        return self.checkpoint.embedding().to(self.device, KEPT[self.dtype])

    @cached_property
    def columns(self) -> Columns:
        """U, prepared for rank tests."""
        return Columns.of(self.checkpoint.unembedding(self.embedding).to(self.device, KEPT[self.dtype]))

    @cached_property
    def gain(self) -> Tensor | None:
        """What the final norm multiplies by, (d,) float64; None where it was not asked for."""
        return self.checkpoint.final_gain().to(self.device).double() if self.final_norm else None

    @cached_property
    def plain(self) -> Sources:
        """What layer 0 reads: E."""
        return Sources(self.embedding, scale=self.shape.embedding_scale)

    @cached_property
    def through_mlp(self) -> Sources:
        """What later layers read: Ẽ, the first MLP's output, or E without it."""
        if not self.first_mlp:
            return self.plain
        return Sources(self.embedding, self.checkpoint.first_mlp().to(self.device), self.shape.embedding_scale)

    def layer(self, layer: int) -> Layer:
        """A layer's weights, (KV, d, d_h) and (H, d_h, d) in float32. The last one that was asked for is kept."""
        if self._layer is None or self._layer[0] != layer:
            self._layer = None  # before the next is read: never two at once
            self._layer = layer, self._with_sources(layer, self._read(layer))
        return self._layer[1]

    def is_kept(self, layer: int) -> bool:
        """Whether a layer's weights stay in memory."""
        return layer in self._heads

    def kept_layer(self, layer: int) -> Layer:
        """The same, its weights kept in memory; where all layers would take more than KEPT_LAYERS, read each time."""
        s = self.shape
        size = 4 * s.layers * (s.heads + s.kv_heads) * s.width * s.head_width
        heads = self._heads.get(layer) or self._read(layer)
        if size <= KEPT_LAYERS:
            self._heads[layer] = heads
        return self._with_sources(layer, heads)

    def _read(self, layer: int) -> Heads:
        values, outputs = self.checkpoint.values(layer), self.checkpoint.outputs(layer)
        return Heads(values.to(self.device), outputs.to(self.device))

    def _with_sources(self, layer: int, heads: Heads) -> Layer:
        return Layer(self.plain if layer == 0 else self.through_mlp, heads, self.gain)

    def head(self, head: HeadId | str) -> HeadId:
        """One of its heads, by id or as `L26H2`; raises MapsError where it has none of that name."""
        where = HeadId.parse(head) if isinstance(head, str) else HeadId(*head)
        if not (0 <= where.layer < self.shape.layers and 0 <= where.head < self.shape.heads):
            last = HeadId(self.shape.layers - 1, self.shape.heads - 1)
            raise MapsError(f"{self.name} has no head {where}: its heads are L0H0 to {last}.")
        return where

    def pairs(self, relations: Sequence[Relation], k: int | None = None) -> Pairs:
        """The usable pairs of relations; k is the paper's where it is None. Those last asked for are kept."""
        asked = tuple(relations), k
        if self._pairs is None or self._pairs[0] != asked:
            known = self.vocabulary
            found = [usable(r, known.single_tokens, k or default_k(r, known.size)) for r in asked[0]]
            self._pairs = asked, Pairs.of(found, self.device)
        return self._pairs[1]

    def mappings(self, found: SalientMappings, targets: Targets) -> list[list[Mapping]]:
        """Each head's ids and scores as mappings with their tokens' text."""
        tokens = self.vocabulary.tokens
        columns = (found.sources, found.saliency, targets.ids, targets.scores)
        heads = zip(*(column.tolist() for column in columns), strict=True)
        return [
            [
                Mapping(rank, i, tokens[i], sigma, tuple(best), tuple(tokens[t] for t in best), tuple(scores))
                for rank, (i, sigma, best, scores) in enumerate(zip(*head, strict=False), start=1)
            ]
            for head in heads
        ]
