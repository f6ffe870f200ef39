"""A model's weights: E, U and Ẽ are read once, when they are first needed, and layers one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from maps.errors import MapsError
from maps.heads.average_block import AverageAttention, AverageBlock
from maps.heads.circuit import HeadWeights, saliency
from maps.heads.relation_scores import (
    UsablePairs,
    default_k,
    find_copied_pairs,
    find_token_pairs,
    select_usable_pairs,
)
from maps.heads.salient_tokens import SalientMappings
from maps.heads.source_rows import BlockRows, EmbeddingRows, FirstMlpRows, MappedRows, NormedRows, SourceRows, SumRows
from maps.heads.sources import Sources
from maps.heads.target_side import TargetSide
from maps.heads.top_targets import Targets
from maps.heads.unembedding import Unembedding
from maps.mapping.calibration import Calibration, check_reading
from maps.mapping.reading import PAPER_READING, Reading
from maps.types import DTYPES, HeadId, Mapping, Relation
from maps.weights.checkpoint import MAPPING_ROLES, Checkpoint
from maps.weights.mlp_reader import read_mlp
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
    target_side: TargetSide

    @cached_property
    def exact_heads(self) -> HeadWeights:
        """In float64."""
        return self.heads.to_float64()

    @cached_property
    def scoring_heads(self) -> HeadWeights:
        """In float64, with outputs as the reading's target side makes them."""
        if self.target_side.is_plain:
            return self.exact_heads
        return HeadWeights(self.exact_heads.values, self.target_side.apply(self.exact_heads.outputs))

    @cached_property
    def saliency(self) -> Tensor:
        """σ of every token under every head, (H, V) float32."""
        return saliency(self.sources, self.heads)


@dataclass(eq=False, repr=False)
class Model:
    """A model's weights. E, U and MLP₀(norm(E)) stay in memory once they are read; of the layers, only the last one.

    `requested_name`: the name that it was opened by. `dtype`: of E and U in memory. `reading`: how sources and targets
    are read (docs/contract.md). `calibration`: the fitted maps, for a reading that needs them.
    """

    checkpoint: Checkpoint
    requested_name: str
    device: torch.device
    dtype: str = "stored"
    reading: Reading = PAPER_READING
    calibration: Calibration | None = None
    _sources: dict[int, Sources] = field(init=False, default_factory=dict)
    _block_rows: dict[int, BlockRows] = field(init=False, default_factory=dict)
    mean_saliency: dict[int, Tensor] = field(init=False, default_factory=dict)  # (H,) by layer, filled by a probe
    _last_layer: tuple[int, LayerWeights] | None = field(init=False, default=None)
    _last_copied: tuple[UsablePairs, Sources, Tensor] | None = field(init=False, default=None)
    _cached_heads: dict[int, HeadWeights] = field(init=False, default_factory=dict)
    _cached_pairs: tuple[object, UsablePairs] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise MapsError(f"There is no dtype {self.dtype}; the dtypes are {', '.join(DTYPES)}.")
        check_reading(self.reading, self.calibration)
        if self.calibration is not None:
            self.calibration.check_model(self.checkpoint.identity, self.name)

    @classmethod
    def open(
        cls,
        name: str,
        device: str = "cpu",
        dtype: str = "stored",
        reading: Reading = PAPER_READING,
        calibration: Calibration | None = None,
        *,
        revision: str | None = None,
        title: str | None = None,
    ) -> Model:
        """Opens a checkpoint; reads its configuration and its tokenizer, but no tensor yet.

        `revision`: a commit on the Hub; ignored for other models. `title`: what it is called in tables and pages.
        """
        found_device = find_device(device)  # before a download
        return cls(open_checkpoint(name, revision, title), name, found_device, dtype, reading, calibration)

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
    def final_norm_gain(self) -> Tensor:
        """(d,) float64."""
        return self.checkpoint.final_norm_gain().to(self.device).double()

    @cached_property
    def embedding_rows(self) -> SourceRows:
        """What the first block reads for each token."""
        rows, norm = EmbeddingRows(self.embedding, self.shape.embedding_scale), self.checkpoint.norm("embedding_norm")
        return rows if norm is None else NormedRows(rows, norm.to(self.device))

    @cached_property
    def mlp_rows(self) -> FirstMlpRows:
        return FirstMlpRows(self.embedding_rows, read_mlp(self.checkpoint).to(self.device))

    def source_rows(self, layer: int, reading: Reading | None = None) -> SourceRows:
        """What a reading, by default the model's, takes for the rows that a layer's heads read."""
        reading = reading or self.reading
        rows: SourceRows = self.embedding_rows
        if layer and reading.source == "mlp":
            rows = self.mlp_rows
        elif layer and reading.source == "residual":
            rows = SumRows(self.embedding_rows, self.mlp_rows)
        elif layer and reading.source == "calibrated":
            assert self.calibration is not None
            features = [self.feature_rows(name, layer) for name in self.calibration.features]
            rows = MappedRows(features, self.calibration.source_map(layer, self.shape.width).to(self.device))
        norm = self.checkpoint.input_norm(layer) if reading.input_norm else None
        return rows if norm is None else NormedRows(rows, norm.to(self.device))

    def feature_rows(self, name: str, layer: int) -> SourceRows:
        """A feature of calibration.FEATURES, as it is taken for a layer behind the first."""
        if name == "blocks":
            assert self.calibration is not None
            return self.block_rows(min(layer, self.calibration.blocks))
        return self.embedding_rows if name == "embedding" else self.mlp_rows

    def block_rows(self, count: int) -> SourceRows:
        """The rows behind the first `count` blocks in an average context, which the calibration knows."""
        if not count:
            return self.embedding_rows
        if count not in self._block_rows:
            assert self.calibration is not None
            attention = self.calibration.average_attention(count - 1, self.shape.heads, self.shape.width)
            block = self.average_block(count - 1, attention, self.calibration.is_parallel)
            self._block_rows[count] = BlockRows(self.block_rows(count - 1), block)
        return self._block_rows[count]

    def average_block(self, layer: int, attention: AverageAttention, is_parallel: bool) -> AverageBlock:
        """A block whose attention is replaced by what it does on average."""
        norm, post_norm = self.checkpoint.input_norm(layer), self.checkpoint.norm("mlp_post_norm", layer)
        return AverageBlock(
            None if norm is None else norm.to(self.device),
            self.read_heads(layer).sum_circuits(attention.own.to(self.device)),
            attention.constant.to(self.device),
            read_mlp(self.checkpoint, layer).to(self.device),
            None if post_norm is None else post_norm.to(self.device),
            is_parallel,
            self.shape.residual_scale,
        )

    def prepare_shared_rows(self) -> None:
        """Computes the rows that all layers share with all threads, before single threads ask for them."""
        last = self.shape.layers - 1
        if not last:
            return
        if self.reading.source == "calibrated" and self.calibration is not None:
            shared = [self.feature_rows(name, last) for name in self.calibration.features]
        else:
            shared = [self.mlp_rows] if self.reading.reads_first_mlp else []
        for rows in shared:
            rows.rows(slice(0, 1))

    def sources(self, layer: int) -> Sources:
        """The rows that a layer's heads read. Those that several layers share are kept in memory, else the last."""
        key = layer if self.reading.has_own_sources_in_each_layer else min(layer, 1)
        if key not in self._sources:
            if self.reading.has_own_sources_in_each_layer:
                self._sources.clear()  # frees them before the next are made
            self._sources[key] = Sources(self.source_rows(layer))
        return self._sources[key]

    def target_side(self, layer: int, reading: Reading | None = None) -> TargetSide:
        """What a reading, by default the model's, takes to lie between a layer's writes and U."""
        reading = reading or self.reading
        gain = self.final_norm_gain if reading.final_norm else None
        if (
            not reading.target_map or layer == self.shape.layers - 1
        ):  # the stream behind the last layer is the final one
            return TargetSide(gain=gain)
        assert self.calibration is not None
        return TargetSide(self.calibration.target_map(layer, self.shape.width).to(self.device), gain)

    def check_files(self, layers: Iterable[int], roles: Sequence[str] = MAPPING_ROLES) -> None:
        """Raises MapsError if a file that the reading of these layers needs is missing or damaged."""
        roles = (*roles, "attn_norm") if self.reading.input_norm else roles
        mlps = int(self.reading.reads_first_mlp)
        if self.reading.source == "calibrated" and self.calibration is not None and self.calibration.blocks:
            mlps = self.calibration.blocks
            layers = sorted({*layers, *range(mlps)})
            roles = (*roles, "attn_norm", "mlp_post_norm")
        self.checkpoint.check_files(layers, mlps, roles)

    def layer(self, layer: int) -> LayerWeights:
        """A layer's weights, (KV, d, d_h) and (H, d_h, d) in float32. Only the last layer is kept in memory."""
        if self._last_layer is None or self._last_layer[0] != layer:
            self._last_layer = None  # frees it before the next is read
            self._last_layer = layer, self._add_sources(layer, self.read_heads(layer))
        return self._last_layer[1]

    def is_layer_cached(self, layer: int) -> bool:
        return layer in self._cached_heads

    def cached_layer(self, layer: int) -> LayerWeights:
        """The same, kept in memory; where all layers would take more than LAYER_CACHE_BYTES, read each time."""
        s = self.shape
        size = 4 * s.layers * (s.heads + s.kv_heads) * s.width * s.head_width
        heads = self._cached_heads.get(layer) or self.read_heads(layer)
        if size <= LAYER_CACHE_BYTES:
            self._cached_heads[layer] = heads
        return self._add_sources(layer, heads)

    def read_heads(self, layer: int) -> HeadWeights:
        values, outputs = self.checkpoint.value_weights(layer), self.checkpoint.output_weights(layer)
        return HeadWeights(values.to(self.device), outputs.to(self.device))

    def _add_sources(self, layer: int, heads: HeadWeights) -> LayerWeights:
        return LayerWeights(self.sources(layer), heads, self.target_side(layer))

    def head(self, head: HeadId | str) -> HeadId:
        """The id of one of its heads, given as id or as `L26H2`; raises MapsError where it has no such head."""
        head_id = HeadId.parse(head) if isinstance(head, str) else HeadId(*head)
        layers = self.shape.layers_with_heads
        if not (head_id.layer in layers and 0 <= head_id.head < self.shape.heads):
            first, last = HeadId(layers[0], 0), HeadId(layers[-1], self.shape.heads - 1)
            where = "" if self.shape.head_layers is None else f", in the layers {', '.join(map(str, layers))}"
            raise MapsError(f"{self.name} has no head {head_id}: its heads are {first} to {last}{where}.")
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

    def copied_pairs(self, pairs: UsablePairs, weights: LayerWeights) -> Tensor:
        """The pairs that copying alone hits under the layer's reading, (n,) bool.

        The last result is kept where layers share their sources; other sources are freed with their layer.
        """
        if self.reading.has_own_sources_in_each_layer or weights.target_side.map is not None:
            return find_copied_pairs(pairs, weights.sources, weights.target_side, self.unembedding)
        last = self._last_copied
        if last is None or last[0] is not pairs or last[1] is not weights.sources:
            copied = find_copied_pairs(pairs, weights.sources, weights.target_side, self.unembedding)
            self._last_copied = last = pairs, weights.sources, copied
        return last[2]

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
