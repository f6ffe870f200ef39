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
from maps.atlas.schema import Row, mapping_row, relation_row, table
from maps.errors import MapsError
from maps.files.lock import locked
from maps.heads.circuit import skewness
from maps.heads.output_space import output_spaces
from maps.heads.relation_scores import Pairs, UsableRelation, hits_of_layer, shares
from maps.heads.salient_tokens import SalientMappings, Wanted, salient_mappings
from maps.heads.top_entries import highest_entries, overlap
from maps.heads.top_targets import Targets
from maps.mapping.layer_store import Parts
from maps.mapping.model import Layer, Model
from maps.mapping.rows import HeadHits, hit_rows, pair_rows
from maps.mapping.settings import Settings, chosen_layers, is_finished
from maps.types import HeadId
from maps.weights import Checkpoint

Tables = dict[str, pa.Table]
Todo = Dictionary[int, pa.Table | None]  # layers, each with the scores that are stored where only its hits are missing
Engine = Callable[["Work", Todo], Generator[tuple[int, Tables]]]  # computes layers, in any order


def map_model(
    model: str | Model,
    out: Path,
    settings: Settings,
    device: str = "cpu",
    progress: Callable[[Sequence[int], int], Iterable[int]] = lambda todo, _done: todo,
    engine: Engine | None = None,
) -> Atlas:
    """Maps every head of a model into the folder `out` and returns the atlas; goes on where a run stopped.

    An atlas that an earlier version made or began gets the pairs and hits that it lacks; all else in it stays. A model
    that is open brings its own device, dtype, first_mlp and final_norm. `progress` wraps the layers still to do, given
    them and how many are done already; `engine` computes them, here and in turn where it is left out.
    """
    if isinstance(model, Model):
        settings = replace(settings, dtype=model.dtype, first_mlp=model.first_mlp, final_norm=model.final_norm)
    name = model.asked_for if isinstance(model, Model) else model
    if is_finished(name, out, settings):
        return Atlas.open(out)
    parts, loaded = Parts(out), model if isinstance(model, Model) else opened(model, settings, device)
    checkpoint = loaded.checkpoint
    layers, before = chosen_layers(settings, checkpoint.shape.layers), mapped_before(out, checkpoint)
    parts.begin({"model": name, "revision": checkpoint.revision, **settings.as_json()})
    with locked(out, "map"):
        if is_finished(name, out, settings):  # by a run that had the folder until now
            return Atlas.open(out)
        work = Work.prepare(loaded, settings)
        todo = {layer: scored_before(parts, before, layer) for layer in layers if not parts.has(layer, "hits")}
        if todo:
            checkpoint.require(todo, settings.first_mlp)
            keep_all(parts, (engine or in_turn)(work, todo), progress(list(todo), len(layers) - len(todo)))
        info = atlas_info(checkpoint, name, settings) | (before.info if before else {})
        parts.finish(layers, pair_rows(work.pairs.relations, checkpoint.vocabulary.tokens), info)
    return Atlas.open(out)


def keep_all(parts: Parts, computed: Generator[tuple[int, Tables]], bar: Iterable[int]) -> None:
    """Keeps layers as they are computed; `bar` moves on with each, whichever it is."""
    with closing(computed):
        for _, (layer, tables) in zip(bar, computed, strict=False):
            parts.keep(layer, tables)


def mapped_before(out: Path, checkpoint: Checkpoint) -> Atlas | None:
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


def scored_before(parts: Parts, before: Atlas | None, layer: int) -> pa.Table | None:
    """A layer's scores where an earlier version mapped it and kept no hits."""
    if before is None:
        return parts.table(layer, "relations") if parts.has(layer) else None
    return before.table("relations").filter(pc.field("layer") == layer)


def in_turn(work: Work, todo: Todo) -> Generator[tuple[int, Tables]]:
    """Layers computed one after the other, in this process."""
    for layer, stored in todo.items():
        yield layer, work.tables(layer, stored)


def opened(name: str, settings: Settings, device: str) -> Model:
    """A model, to be read as the settings say."""
    return Model.open(name, device, settings.dtype, settings.first_mlp, settings.final_norm)


def atlas_info(checkpoint: Checkpoint, model: str, settings: Settings) -> dict[str, Any]:
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
        "versions": {name: version_of(name) for name in packages},
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def version_of(package: str) -> str | None:
    """The installed version of a package; None where it runs from its folder."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Work:
    """A model with what is asked of all its layers: settings and the usable pairs."""

    model: Model
    settings: Settings
    pairs: Pairs

    @classmethod
    def prepare(cls, model: Model, settings: Settings) -> Work:
        """Encodes the relations' pairs; reads no tensor."""
        return cls(model, settings, model.pairs(settings.relations, settings.k))

    def tables(self, layer: int, stored: pa.Table | None = None) -> Tables:
        """Every table for one layer; only its hits where its scores are stored already."""
        rows = self.layer(layer) if stored is None else {"hits": self.hits(layer, stored)}
        return {name: table(name, each) for name, each in rows.items()}

    def layer(self, layer: int) -> dict[str, list[Row]]:
        """The rows of every table for one layer."""
        s, model, weights = self.settings, self.model, self.model.layer(layer)
        sources, heads, sigma = weights.sources, weights.heads, weights.sigma
        wanted = Wanted(s.salient, s.heldout, s.targets, s.suppressive)
        found = salient_mappings(sources, sigma, weights.exact, weights.reading, model.columns, wanted)
        tested, relations = self.tested(layer), self.pairs.relations
        ids = [each.head for each in tested]
        mapped = list(zip(ids, model.mappings(found, found.highest), strict=True))
        tables = {
            "heads": [head_row(x, x.head // heads.group, sigma[x.head], float(found.kurtosis[x.head])) for x in ids],
            "mappings": [mapping_row(head, m) for head, each in mapped for m in each[: s.salient]],
            "heldout": [mapping_row(head, m) for head, each in mapped for m in each[s.salient :]],
            "relations": score_rows(tested, relations),
            "hits": [row for each in tested for row in hit_rows(each, relations)],
        }
        if found.lowest is not None:
            low = zip(ids, model.mappings(found, found.lowest), strict=True)
            tables["suppressive"] = [mapping_row(head, m) for head, each in low for m in each]
        self.add_statistics(tables["heads"], weights, found)
        return tables

    def hits(self, layer: int, stored: pa.Table) -> list[Row]:
        """The rows of `hits` for one layer; raises MapsError where its scores are not the stored ones."""
        tested, relations = self.tested(layer), self.pairs.relations
        if table("relations", score_rows(tested, relations)) != stored:
            raise MapsError(
                f"{self.model.name} has other scores in layer {layer} than those that are stored, so its weights are "
                "not those that were mapped; choose another --out."
            )
        return [row for each in tested for row in hit_rows(each, relations)]

    def tested(self, layer: int) -> list[HeadHits]:
        """The rank tests of one layer, head by head."""
        weights = self.model.layer(layer)
        found = hits_of_layer(self.pairs, weights.sources, weights.reading, self.model.columns)
        ids = [HeadId(layer, head) for head in range(len(found.top))]
        return [HeadHits(*each) for each in zip(ids, found.top, found.bottom, strict=True)]

    def add_statistics(self, rows: list[Row], weights: Layer, found: SalientMappings) -> None:
        """The columns of `heads` that are computed on request, since they look at all of M."""
        sources, columns = weights.sources, self.model.columns
        if self.settings.output_space:
            for row, size in zip(rows, output_spaces(sources, weights.exact, columns, weights.gain), strict=True):
                row["output_space"] = size
        if self.settings.top_scoring:
            n = min(self.settings.salient, found.sources.shape[1])
            for row in rows:
                head = row["head"]
                targets = Targets(found.highest.ids[head, :n], found.highest.scores[head, :n])
                entries = highest_entries(sources, weights.reading, head, columns, targets.ids.numel())
                row["top_scoring_jaccard"] = overlap(found.sources[head, :n], targets, entries)


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


def score_rows(tested: Sequence[HeadHits], relations: Sequence[UsableRelation]) -> list[Row]:
    """The rows of `relations` that some heads' rank tests make."""
    return [relation_row(each.head, s) for each in tested for s in shares(relations, each.top, each.bottom)]
