"""Maps a model: reads it a layer at a time, computes each layer's tables and keeps them as it goes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Generator, Iterable, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from maps.atlas.reader import FORMAT_VERSION, Atlas
from maps.atlas.schema import Row, make_table, mapping_row, relation_row
from maps.errors import MapsError
from maps.heads.circuit import skewness
from maps.heads.output_space import output_space_sizes
from maps.heads.relation_scores import UsablePairs, UsableRelation, find_layer_hits, scores_from_hits
from maps.heads.salient_tokens import SalientCounts, SalientMappings, find_salient_mappings
from maps.heads.top_entries import find_highest_entries, mapping_overlap
from maps.heads.top_targets import Targets
from maps.mapping.layer_store import LayerStore
from maps.mapping.model import LayerWeights, Model
from maps.mapping.rows import HeadHits, hit_rows, pair_rows
from maps.mapping.settings import MappingSettings, is_mapping_finished, select_layers
from maps.types import HeadId
from maps.weights.checkpoint import Checkpoint

LayerTables = dict[str, pa.Table]
LayersToMap = Dictionary[
    int, pa.Table | None
]  # layers, each with the scores that are stored where only its hits are missing
MappingEngine = Callable[
    ["LayerMapper", LayersToMap], Generator[tuple[int, LayerTables]]
]  # computes layers, in any order


def map_model(
    model: str | Model,
    out: Path,
    settings: MappingSettings,
    device: str = "cpu",
    progress: Callable[[Sequence[int], int], Iterable[int]] = lambda todo, _done: todo,
    engine: MappingEngine | None = None,
) -> Atlas:
    """Maps every head of a model into the folder `out` and returns the atlas; goes on where a run stopped.

    An atlas that an earlier version made or began gets the pairs and hits that it lacks; all else in it stays. A model
    that is open brings its own device, dtype, first_mlp and final_norm. `progress` wraps the layers still to do, given
    them and how many are done already; `engine` computes them, here and in turn where it is left out.
    """
    if isinstance(model, Model):
        settings = replace(settings, dtype=model.dtype, first_mlp=model.first_mlp, final_norm=model.final_norm)
    name = model.requested_name if isinstance(model, Model) else model
    if is_mapping_finished(name, out, settings):
        return Atlas.open(out)
    parts, loaded = LayerStore(out), model if isinstance(model, Model) else open_model(model, settings, device)
    checkpoint = loaded.checkpoint
    layers, before = select_layers(settings, checkpoint.shape.layers), find_earlier_atlas(out, checkpoint)
    with parts.begin({"model": name, "revision": checkpoint.revision, **settings.as_json()}):
        if is_mapping_finished(name, out, settings):  # by a run that had the folder until now
            parts.remove_parts()
            return Atlas.open(out)
        work = LayerMapper.prepare(loaded, settings)
        todo = {
            layer: find_stored_scores(parts, before, layer) for layer in layers if not parts.has_table(layer, "hits")
        }
        if todo:
            checkpoint.check_files(todo, settings.first_mlp)
            store_layers(
                parts, (engine or compute_in_process)(work, todo), progress(list(todo), len(layers) - len(todo))
            )
        info = atlas_info(checkpoint, name, settings) | (before.info if before else {})
        parts.finish(layers, pair_rows(work.pairs.relations, checkpoint.vocabulary.tokens), info)
    return Atlas.open(out)


def store_layers(
    store: LayerStore, computed_layers: Generator[tuple[int, LayerTables]], progress: Iterable[int]
) -> None:
    """Keeps layers as they are computed; `progress` moves on with each, whichever it is."""
    with closing(computed_layers):
        for _, (layer, tables) in zip(progress, computed_layers, strict=False):
            store.store_layer(layer, tables)


def find_earlier_atlas(out: Path, checkpoint: Checkpoint) -> Atlas | None:
    """The finished atlas of an earlier version, without pairs and hits; MapsError where it is of other weights."""
    if not (out / "atlas.json").exists():
        return None
    atlas = Atlas.open(out)
    if atlas.info["revision"] != checkpoint.revision:
        raise MapsError(
            f"{out} lacks pairs and hits, and {checkpoint.model} is not what was mapped there: its revision is "
            f"{checkpoint.revision}, mapped was {atlas.info['revision']}; choose another --out."
        )
    return atlas


def find_stored_scores(store: LayerStore, earlier_atlas: Atlas | None, layer: int) -> pa.Table | None:
    """A layer's scores where an earlier version mapped it and kept no hits."""
    if earlier_atlas is None:
        return store.read_table(layer, "relations") if store.has_table(layer) else None
    return earlier_atlas.table("relations").filter(pc.field("layer") == layer)


def compute_in_process(mapper: LayerMapper, layers: LayersToMap) -> Generator[tuple[int, LayerTables]]:
    """Layers computed one after the other, in this process."""
    for layer, stored in layers.items():
        yield layer, mapper.compute_tables(layer, stored)


def open_model(name: str, settings: MappingSettings, device: str) -> Model:
    """A model, to be read as the settings say."""
    return Model.open(name, device, settings.dtype, settings.first_mlp, settings.final_norm)


def atlas_info(checkpoint: Checkpoint, model: str, settings: MappingSettings) -> dict[str, Any]:
    """The content of `atlas.json`."""
    shape = checkpoint.shape
    packages = ("maps-heads", "torch", "transformers", "gguf", "safetensors", "pyarrow")
    return {
        "format_version": FORMAT_VERSION,
        "model": checkpoint.model,
        "asked_for": model,
        "revision": checkpoint.revision,
        "architecture": shape.architecture,
        "layers": shape.layers,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "width": shape.width,
        "head_width": shape.head_width,
        "vocabulary": checkpoint.vocabulary.size,
        "capitalised_share": checkpoint.vocabulary.capitalised_share,
        "first_mlp": settings.first_mlp,
        "settings": settings.as_json(),
        "versions": {name: package_version(name) for name in packages},
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def package_version(package: str) -> str | None:
    """The installed version of a package; None where it runs from its folder."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class LayerMapper:
    """A model with what is asked of all its layers: settings and the usable pairs."""

    model: Model
    settings: MappingSettings
    pairs: UsablePairs

    @classmethod
    def prepare(cls, model: Model, settings: MappingSettings) -> LayerMapper:
        """Encodes the relations' pairs; reads no tensor."""
        return cls(model, settings, model.usable_pairs(settings.relations, settings.k))

    def compute_tables(self, layer: int, stored: pa.Table | None = None) -> LayerTables:
        """Every table for one layer; only its hits where its scores are stored already."""
        rows = self.compute_rows(layer) if stored is None else {"hits": self.compute_hit_rows(layer, stored)}
        return {name: make_table(name, each) for name, each in rows.items()}

    def compute_rows(self, layer: int) -> dict[str, list[Row]]:
        """The rows of every table for one layer."""
        s, model, weights = self.settings, self.model, self.model.layer(layer)
        sources, heads, sigma = weights.sources, weights.heads, weights.saliency
        wanted = SalientCounts(s.salient, s.heldout, s.targets, s.suppressive)
        found = find_salient_mappings(
            sources, sigma, weights.exact_heads, weights.scoring_heads, model.unembedding, wanted
        )
        tested, relations = self.compute_head_hits(layer), self.pairs.relations
        ids = [each.head for each in tested]
        mapped = list(zip(ids, model.mappings(found, found.highest_targets), strict=True))
        tables = {
            "heads": [
                head_row(x, x.head // heads.group_size, sigma[x.head], float(found.kurtosis[x.head])) for x in ids
            ],
            "mappings": [mapping_row(head, m) for head, each in mapped for m in each[: s.salient]],
            "heldout": [mapping_row(head, m) for head, each in mapped for m in each[s.salient :]],
            "relations": score_rows(tested, relations),
            "hits": [row for each in tested for row in hit_rows(each, relations)],
        }
        if found.lowest_targets is not None:
            low = zip(ids, model.mappings(found, found.lowest_targets), strict=True)
            tables["suppressive"] = [mapping_row(head, m) for head, each in low for m in each]
        self.add_statistics(tables["heads"], weights, found)
        return tables

    def compute_hit_rows(self, layer: int, stored: pa.Table) -> list[Row]:
        """The rows of `compute_hit_rows` for one layer; raises MapsError where its scores are not the stored ones."""
        tested, relations = self.compute_head_hits(layer), self.pairs.relations
        if make_table("relations", score_rows(tested, relations)) != stored:
            raise MapsError(
                f"{self.model.name} has other scores in layer {layer} than those that are stored, so its weights are "
                "not those that were mapped; choose another --out."
            )
        return [row for each in tested for row in hit_rows(each, relations)]

    def compute_head_hits(self, layer: int) -> list[HeadHits]:
        """The rank tests of one layer, head by head."""
        weights = self.model.layer(layer)
        found = find_layer_hits(self.pairs, weights.sources, weights.scoring_heads, self.model.unembedding)
        ids = [HeadId(layer, head) for head in range(len(found.top))]
        return [HeadHits(*each) for each in zip(ids, found.top, found.bottom, strict=True)]

    def add_statistics(self, rows: list[Row], weights: LayerWeights, salient: SalientMappings) -> None:
        """The columns of `heads` that are computed on request, since they look at all of M."""
        sources, columns = weights.sources, self.model.unembedding
        if self.settings.output_space:
            for row, size in zip(
                rows, output_space_sizes(sources, weights.exact_heads, columns, weights.final_norm_gain), strict=True
            ):
                row["output_space"] = size
        if self.settings.top_scoring:
            n = min(self.settings.salient, salient.sources.shape[1])
            for row in rows:
                head = row["head"]
                targets = Targets(salient.highest_targets.ids[head, :n], salient.highest_targets.scores[head, :n])
                entries = find_highest_entries(sources, weights.scoring_heads, head, columns, targets.ids.numel())
                row["top_scoring_jaccard"] = mapping_overlap(salient.sources[head, :n], targets, entries)


def head_row(head: HeadId, kv_head: int, sigma: Tensor, kurtosis: float) -> Row:
    """A row of `heads`, without what is computed on request."""
    return {
        "layer": head.layer,
        "head": head.head,
        "kv_head": kv_head,
        "saliency_mean": float(sigma.double().mean()),
        "saliency_max": float(sigma.max()),
        "input_skewness": skewness(sigma),
        "target_kurtosis": kurtosis if isfinite(kurtosis) else None,
        "output_space": None,
        "top_scoring_jaccard": None,
    }


def score_rows(head_hits: Sequence[HeadHits], relations: Sequence[UsableRelation]) -> list[Row]:
    """The rows of `relations` that some heads' rank tests make."""
    return [
        relation_row(each.head, s) for each in head_hits for s in scores_from_hits(relations, each.top, each.bottom)
    ]
