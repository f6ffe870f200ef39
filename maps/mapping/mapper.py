"""Maps a model: computes the tables of one layer after the other, stores each, and joins them into the atlas."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from maps.atlas.info import AtlasSizes
from maps.atlas.layer_store import LayerStore
from maps.atlas.reader import FORMAT_VERSION, Atlas
from maps.atlas.schema import Row, make_table, mapping_row
from maps.errors import MapsError
from maps.heads.output_space import output_space_sizes
from maps.heads.relation_scores import UsablePairs, find_layer_hits
from maps.heads.salient_tokens import SalientCounts, SalientMappings, find_salient_mappings
from maps.heads.top_entries import find_highest_entries, mapping_overlap
from maps.heads.top_targets import Targets
from maps.mapping.model import LayerWeights, Model
from maps.mapping.rows import HeadHits, head_row, hit_rows, pair_rows, score_rows
from maps.mapping.settings import MappingSettings, is_mapping_finished, select_layers
from maps.mapping.work import operations_by_layer
from maps.text import pluralize, shorten
from maps.types import HeadId, Progress, Relation, UnevenParts, no_progress_bar
from maps.weights.checkpoint import Checkpoint
from maps.weights.open import is_missing_path

logger = logging.getLogger(__name__)
LayerTables = dict[str, pa.Table]
# Computes the tables of layers, in any order.
MappingEngine = Callable[["LayerMapper", Sequence[int]], Generator[tuple[int, LayerTables]]]


def map_model(
    model: str | Model,
    out: Path,
    settings: MappingSettings,
    device: str = "cpu",
    progress: Progress[int] = no_progress_bar,
    engine: MappingEngine | None = None,
    title: str | None = None,
) -> Atlas:
    """Maps every head of a model into the folder `out` and returns the atlas; continues where a run stopped.

    A Model brings its own device, dtype, reading and calibration. `progress` wraps the layers still to do.
    `engine` computes them; without one, this process computes them in turn. `title` names the model in the atlas
    (default: the Hub id, or the name of its folder or file). Raises MapsError if `out` holds the atlas of other
    weights.
    """
    if isinstance(model, Model):
        settings = replace(settings, dtype=model.dtype, reading=model.reading, calibration=model.calibration)
    name = model.requested_name if isinstance(model, Model) else model
    # Other settings are refused before anything is downloaded. A model that was deleted is not compared.
    if is_mapping_finished(name, out, settings) and is_missing_path(name):
        return Atlas.open(out)
    opened = model if isinstance(model, Model) else open_model(model, settings, device, title)
    checkpoint, store = opened.checkpoint, LayerStore(out)
    if (finished := find_finished_atlas(out, opened, settings, title)) is not None:
        return finished
    layers, info = select_layers(settings, checkpoint.shape), atlas_info(checkpoint, name, settings)
    check_info(info)
    with store.begin({"model": name, **checkpoint.identity, **settings.as_json()}):
        if (finished := find_finished_atlas(out, opened, settings, title)) is not None:  # by another run, until now
            store.remove_parts()
            return finished
        mapper = LayerMapper.prepare(opened, settings)
        pairs = pair_rows(mapper.pairs.relations, checkpoint.vocabulary.tokens)
        store.begin_atlas(info, pairs)
        todo = [layer for layer in layers if not store.has(layer)]
        if todo:
            opened.check_files(todo)
            computed = (engine or compute_in_process)(mapper, todo)
            blocks = settings.calibration.blocks if settings.calibration is not None else 0
            work = operations_by_layer(checkpoint, settings.reading, blocks, todo)
            store_layers(store, computed, progress(UnevenParts(todo, work), len(layers) - len(todo)))
        if checkpoint.is_on_disk and checkpoint.hash_weights() != checkpoint.weights:
            raise MapsError(
                f"The weights of {checkpoint.model} changed while they were mapped; delete {store.parts} and map it "
                "again."
            )
        if settings.calibration is not None:
            settings.calibration.copy_to(out)
        store.finish(layers, pairs, info | {"created_at": time_now()})
    return Atlas.open(out)


def store_layers(
    store: LayerStore, computed_layers: Generator[tuple[int, LayerTables]], progress: Iterable[int]
) -> None:
    """Stores layers as they are computed; the progress bar moves on with each, in whatever order they come."""
    with closing(computed_layers):
        for _, (layer, tables) in zip(progress, computed_layers, strict=False):
            store.store(layer, tables)


def compute_in_process(mapper: LayerMapper, layers: Sequence[int]) -> Generator[tuple[int, LayerTables]]:
    """The engine that computes layers one after the other in this process."""
    for layer in layers:
        yield layer, mapper.compute_tables(layer)


def open_model(name: str, settings: MappingSettings, device: str, title: str | None = None) -> Model:
    """Opens a model with the dtype, the reading and the calibration of the settings."""
    return Model.open(name, device, settings.dtype, settings.reading, settings.calibration, title=title)


def find_finished_atlas(out: Path, opened: Model, settings: MappingSettings, title: str | None) -> Atlas | None:
    """The finished atlas of this mapping in `out`; MapsError if there is one of other settings, weights or title."""
    name, checkpoint = opened.requested_name, opened.checkpoint
    if not is_mapping_finished(name, out, settings):
        return None
    atlas = Atlas.open(out)
    if not checkpoint.is_model_of(atlas.info):
        raise MapsError(
            f"{out} holds an atlas of {name} with other weights (revision {atlas.info['revision']}, now "
            f"{checkpoint.revision}): the model has changed since. Choose another --out, or delete {out} to map it "
            "anew."
        )
    if title is not None and atlas.model != checkpoint.model:
        raise MapsError(f"{out} holds this mapping under the name {atlas.model}; choose another --out.")
    return atlas


def atlas_info(checkpoint: Checkpoint, model: str, settings: MappingSettings) -> dict[str, Any]:
    """The content of `atlas.json`."""
    shape = checkpoint.shape
    packages = ("maps-heads", "torch", "transformers", "gguf", "safetensors", "pyarrow")
    return {
        "format_version": FORMAT_VERSION,
        "model": checkpoint.model,
        "asked_for": model,
        **checkpoint.identity,
        "architecture": shape.architecture,
        "layers": shape.layers,
        **({} if shape.head_layers is None else {"head_layers": list(shape.head_layers)}),
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "width": shape.width,
        "head_width": shape.head_width,
        "vocabulary": checkpoint.vocabulary.size,
        "tokens_without_rows": checkpoint.vocabulary.rowless,
        "capitalised_share": checkpoint.vocabulary.capitalised_share,
        "first_mlp": settings.reading.reads_first_mlp,
        "reading": str(settings.reading),
        "settings": settings.as_json(),
        "versions": {name: package_version(name) for name in packages},
        "created_at": time_now(),
    }


def time_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def check_info(info: dict[str, Any]) -> None:
    """Refuses at the start what no command could read at the end; raises MapsError."""
    try:
        AtlasSizes.from_info(info)
    except ValueError as error:
        raise MapsError(f"{info['asked_for']} cannot be mapped with these settings: {error}.") from error


def package_version(package: str) -> str | None:
    """The installed version of a package; None where it is not installed (this one may run from its folder)."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def warn_of_unusable_pairs(model: Model, relation: Relation) -> None:
    pairs = model.token_pairs(relation)
    usable = len(pairs) - pairs.count(None)
    if usable < len(pairs):
        name = shorten(relation.name, 80)
        logger.warning("%s: %d of %s usable with %s.", name, usable, pluralize(len(pairs), "pair"), model.name)


@dataclass(frozen=True)
class LayerMapper:
    """Computes the tables of a model's layers."""

    model: Model
    settings: MappingSettings
    pairs: UsablePairs

    @classmethod
    def prepare(cls, model: Model, settings: MappingSettings) -> LayerMapper:
        """Finds the usable pairs of the relations, and says how many of a person's own are; reads no tensor."""
        for relation in settings.relations:
            if not relation.category:
                warn_of_unusable_pairs(model, relation)
        return cls(model, settings, model.usable_pairs(settings.relations, settings.k))

    def compute_tables(self, layer: int) -> LayerTables:
        return {name: make_table(name, rows) for name, rows in self.compute_rows(layer).items()}

    def compute_rows(self, layer: int) -> dict[str, list[Row]]:
        s, model, weights = self.settings, self.model, self.model.layer(layer)
        sigma, group_size = weights.saliency, weights.heads.group_size
        counts = SalientCounts(s.salient, s.heldout, s.targets, s.suppressive)
        salient = find_salient_mappings(
            weights.sources, sigma, weights.exact_heads, weights.scoring_heads, model.unembedding, counts
        )
        hits, relations = self.compute_head_hits(layer), self.pairs.relations
        heads = [each.head for each in hits]
        mappings = list(zip(heads, model.mappings(salient, salient.highest_targets), strict=True))
        tables = {
            "heads": [
                head_row(head, head.head // group_size, sigma[head.head], float(salient.kurtosis[head.head]))
                for head in heads
            ],
            "mappings": [mapping_row(head, m) for head, some in mappings for m in some[: s.salient]],
            "heldout": [mapping_row(head, m) for head, some in mappings for m in some[s.salient :]],
            "relations": score_rows(hits, relations, model.reading),
            "hits": [row for each in hits for row in hit_rows(each, relations)],
        }
        if salient.lowest_targets is not None:
            lowest = zip(heads, model.mappings(salient, salient.lowest_targets), strict=True)
            tables["suppressive"] = [mapping_row(head, m) for head, some in lowest for m in some]
        self.add_statistics(tables["heads"], weights, salient)
        return tables

    def compute_head_hits(self, layer: int) -> list[HeadHits]:
        weights = self.model.layer(layer)
        hits = find_layer_hits(self.pairs, weights.sources, weights.scoring_heads, self.model.unembedding)
        copied = self.model.copied_pairs(self.pairs, weights)
        return [HeadHits(HeadId(layer, head), *hits.of_head(head), copied) for head in range(self.model.shape.heads)]

    def add_statistics(self, rows: list[Row], weights: LayerWeights, salient: SalientMappings) -> None:
        """Fills the columns of `heads` that are computed on request only, because they read all of M."""
        sources, unembedding = weights.sources, self.model.unembedding
        if self.settings.output_space:
            sizes = output_space_sizes(sources, weights.exact_heads, unembedding, weights.target_side)
            for row, size in zip(rows, sizes, strict=True):
                row["output_space"] = size
        if self.settings.top_scoring:
            n = min(self.settings.salient, salient.sources.shape[1])
            for row in rows:
                head = row["head"]
                targets = Targets(salient.highest_targets.ids[head, :n], salient.highest_targets.scores[head, :n])
                entries = find_highest_entries(sources, weights.scoring_heads, head, unembedding, targets.ids.numel())
                row["top_scoring_jaccard"] = mapping_overlap(salient.sources[head, :n], targets, entries)
