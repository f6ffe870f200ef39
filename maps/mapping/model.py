"""A model's weights: E, U and Ẽ are read once, when they are first needed, and layers one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from maps.errors import MapsError
from maps.heads.circuit import HeadWeights, saliency
from maps.heads.relation_scores import UsablePairs, default_k, find_token_pairs, select_usable_pairs
from maps.heads.salient_tokens import SalientMappings
from maps.heads.sources import Sources
from maps.heads.top_targets import Targets
from maps.heads.unembedding import Unembedding
from maps.types import DTYPES, HeadId, Mapping, Relation
from maps.weights.checkpoint import Checkpoint
from maps.weights.open import open_checkpoint
from maps.weights.shape import ModelShape
from maps.weights.tokens import Vocabulary

LAYER_CACHE_BYTES = 1 << 30  # most bytes of layers that are kept in memory for repeated probes
TORCH_DTYPES = {"stored": None, "float32": torch.float32, "bfloat16": torch.bfloat16}  # None: as the checkpoint has it


def find_device(name: str) -> torch.device:
    """A device of this machine; raises MapsError where it cannot be used."""
    try:
        probe = torch.zeros(1, dtype=torch.float64, device=name)
        probe.cpu()  # fails on a device such as `meta`, which holds no values
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise MapsError(f"The device {name} cannot be used here; leave out --device to compute on the CPU.") from error
    return probe.device


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """A layer's heads and the sources that they read. Derived values are computed once."""

    sources: Sources
    heads: HeadWeights  # float32
    final_norm_gain: Tensor | None  # (d,), None where it is not requested

    @cached_property
    def exact_heads(self) -> HeadWeights:
        """In float64."""
        return self.heads.to_float64()

    @cached_property
    def scoring_heads(self) -> HeadWeights:
        """In float64, with outputs multiplied by the final norm's gain where that is requested."""
        if self.final_norm_gain is None:
            return self.exact_heads
        return HeadWeights(self.exact_heads.values, self.exact_heads.outputs * self.final_norm_gain)

    @cached_property
    def saliency(self) -> Tensor:
        """σ of every token under every head, (H, V) float32."""
        return saliency(self.sources, self.heads)


@dataclass(eq=False, repr=False)
class Model:
    """A model's weights. E, U and Ẽ stay in memory once they are read; of the layers, only the last one.

    `requested_name`: the name that it was opened by. `dtype`: of E and U in memory. `first_mlp`: layers after the first
    read MLP₀(norm(E)) instead of E. `final_norm`: outputs are multiplied by the final norm's gain (docs/contract.md).
    """

    checkpoint: Checkpoint
    requested_name: str
    device: torch.device
    dtype: str = "stored"
    first_mlp: bool = True
    final_norm: bool = False
    mean_saliency: dict[int, Tensor] = field(init=False, default_factory=dict)  # (H,) by layer, filled by a probe
    _last_layer: tuple[int, LayerWeights] | None = field(init=False, default=None)
    _cached_heads: dict[int, HeadWeights] = field(init=False, default_factory=dict)
    _cached_pairs: tuple[object, UsablePairs] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise MapsError(f"There is no dtype {self.dtype}; the dtypes are {', '.join(DTYPES)}.")

    @classmethod
    def open(
        cls,
        name: str,
        device: str = "cpu",
        dtype: str = "stored",
        first_mlp: bool = True,
        final_norm: bool = False,
        *,
        revision: str | None = None,
        title: str | None = None,
    ) -> Model:
        """Opens a checkpoint; reads its configuration and its tokenizer, but no tensor yet.

        `revision`: a commit on the Hub; ignored for other models. `title`: what it is called in tables and pages.
        """
        found_device = find_device(device)  # before a download
        return cls(open_checkpoint(name, revision, title), name, found_device, dtype, first_mlp, final_norm)

    def __repr__(self) -> str:
        s = self.shape
        return f"<Model {self.name}: {s.layers} layers of {s.heads} heads, {self.vocabulary.size:,} tokens>"

    @property
    def name(self) -> str:
        return self.checkpoint.model

    @property
    def shape(self) -> ModelShape:
        return self.checkpoint.shape

    @property
    def vocabulary(self) -> Vocabulary:
        return self.checkpoint.vocabulary

    @cached_property
    def embedding(self) -> Tensor:
        """E, (V, d), in the requested dtype, not scaled."""
        return self.checkpoint.embedding().to(self.device, TORCH_DTYPES[self.dtype])

    @cached_property
    def unembedding(self) -> Unembedding:
        weights = self.checkpoint.unembedding(self.embedding)
        return Unembedding.from_tensor(weights.to(self.device, TORCH_DTYPES[self.dtype]))

    @cached_property
    def final_norm_gain(self) -> Tensor | None:
        """(d,) float64; None where it is not requested."""
        return self.checkpoint.final_norm_gain().to(self.device).double() if self.final_norm else None

    @cached_property
    def embedding_sources(self) -> Sources:
        """E, which layer 0 reads."""
        return Sources(self.embedding, scale=self.shape.embedding_scale)

    @cached_property
    def mlp_sources(self) -> Sources:
        """Ẽ, which later layers read: the first MLP's outputs, or E without `first_mlp`."""
        if not self.first_mlp:
            return self.embedding_sources
        return Sources(self.embedding, self.checkpoint.first_mlp().to(self.device), self.shape.embedding_scale)

    def layer(self, layer: int) -> LayerWeights:
        """A layer's weights, (KV, d, d_h) and (H, d_h, d) in float32. Only the last layer is kept in memory."""
        if self._last_layer is None or self._last_layer[0] != layer:
            self._last_layer = None  # frees it before the next is read
            self._last_layer = layer, self._add_sources(layer, self._read_heads(layer))
        return self._last_layer[1]

    def is_layer_cached(self, layer: int) -> bool:
        return layer in self._cached_heads

    def cached_layer(self, layer: int) -> LayerWeights:
        """The same, kept in memory; where all layers would take more than LAYER_CACHE_BYTES, read each time."""
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
        """The id of one of its heads, given as id or as `L26H2`; raises MapsError where it has no such head."""
        head_id = HeadId.parse(head) if isinstance(head, str) else HeadId(*head)
        if not (0 <= head_id.layer < self.shape.layers and 0 <= head_id.head < self.shape.heads):
            last = HeadId(self.shape.layers - 1, self.shape.heads - 1)
            raise MapsError(f"{self.name} has no head {head_id}: its heads are L0H0 to {last}.")
        return head_id

    def usable_pairs(self, relations: Sequence[Relation], k: int | None = None) -> UsablePairs:
        """The pairs of relations whose words are single tokens. `k`: None for the paper's. The last result is kept."""
        key = tuple(relations), k
        if self._cached_pairs is None or self._cached_pairs[0] != key:
            known, size = self.vocabulary, self.vocabulary.size
            spaced, unspaced = known.single_token_ids, known.unspaced_token_ids
            usable = [select_usable_pairs(each, spaced, k or default_k(each, size), unspaced) for each in relations]
            self._cached_pairs = key, UsablePairs.from_relations(usable, self.device)
        return self._cached_pairs[1]

    def token_pairs(self, relation: Relation) -> list[tuple[int, int] | None]:
        """The ids of each pair of a relation, None where the pair is not usable."""
        return find_token_pairs(relation, self.vocabulary.single_token_ids, self.vocabulary.unspaced_token_ids)

    def mappings(self, salient: SalientMappings, targets: Targets) -> list[list[Mapping]]:
        """The mappings of each head, with the text of their tokens.

        Shapes: sources and saliency (H, n), targets and scores (H, n, t).
        """
        tokens = self.vocabulary.tokens
        source_ids, saliencies = salient.sources.tolist(), salient.saliency.tolist()
        target_ids, scores = targets.ids.tolist(), targets.scores.tolist()
        return [
            [
                Mapping(
                    rank + 1,
                    source,
                    tokens[source],
                    saliencies[head][rank],
                    tuple(target_ids[head][rank]),
                    tuple(tokens[target] for target in target_ids[head][rank]),
                    tuple(scores[head][rank]),
                )
                for rank, source in enumerate(sources[: len(target_ids[head])])
            ]
            for head, sources in enumerate(source_ids)
        ]
