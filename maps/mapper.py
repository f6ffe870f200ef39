"""Maps a model: reads it a layer at a time, computes each layer's tables and keeps them as it goes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maps.atlas import FORMAT_VERSION, Atlas, Parts
from maps.card import atlas_card
from maps.circuits import Heads, Sources, saliency, skewness
from maps.output_space import output_spaces
from maps.ranks import Columns
from maps.relations import Pairs, default_k, scores_of_layer, usable
from maps.salient import SalientMappings, Wanted, salient_mappings
from maps.settings import Settings, chosen_layers, is_finished
from maps.tables import COMPUTED, ON_REQUEST, Row, mapping_row, relation_row
from maps.targets import Targets
from maps.top_scoring import highest_entries, overlap
from maps.types import HeadId, Mapping, MapsError
from maps.weights import Checkpoint, open_checkpoint

KEPT = {"stored": None, "float32": torch.float32, "bfloat16": torch.bfloat16}  # None: as the checkpoint has it


def map_model(
    model: str,
    out: Path,
    settings: Settings,
    device: str = "cpu",
    progress: Callable[[Sequence[int], int], Iterable[int]] = lambda todo, _done: todo,
) -> Atlas:
    """Maps every head of a model into the folder `out` and returns the atlas; goes on where a run stopped.

    `progress` wraps the layers still to do, given them and how many are done already.
    """
    if is_finished(model, out, settings):
        return Atlas.open(out)
    parts, where = Parts(out), device_named(device)
    checkpoint = open_checkpoint(model)
    layers = chosen_layers(settings, checkpoint.shape.layers)
    parts.begin({"model": model, "revision": checkpoint.revision, **settings.as_json()})
    todo = [layer for layer in layers if not parts.has(layer)]
    if todo:
        checkpoint.require(todo, settings.first_mlp)
        work = Work.prepare(checkpoint, settings, where, shallow=todo == [0])
        for layer in progress(todo, len(layers) - len(todo)):
            parts.add(layer, work.layer(layer))
    info = atlas_info(checkpoint, model, settings)
    tables = (*COMPUTED, *ON_REQUEST) if settings.suppressive else COMPUTED
    parts.finish(layers, info, atlas_card(info, tables))
    return Atlas.open(out)


def device_named(name: str) -> torch.device:
    """A device of this machine; raises MapsError for any other name."""
    try:
        probe = torch.zeros(1, dtype=torch.float64, device=name)
        probe.cpu()  # a device such as `meta` holds no values
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise MapsError(f"The device {name} cannot be used here; leave out --device to compute on the CPU.") from error
    return probe.device


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
    """What all layers share: Ẽ, U's columns, the usable pairs."""

    checkpoint: Checkpoint
    settings: Settings
    device: torch.device
    columns: Columns
    gain: Tensor | None
    plain: Sources
    through_mlp: Sources
    pairs: Pairs

    @classmethod
    def prepare(cls, checkpoint: Checkpoint, settings: Settings, device: torch.device, shallow: bool) -> Work:
        """Reads embedding, unembedding and first MLP; `shallow` where only layer 0 is wanted, which reads E itself."""
        kept = KEPT[settings.dtype]
        embedding = checkpoint.embedding().to(device, kept)
        columns = Columns.of(checkpoint.unembedding(embedding).to(device, kept))
        gain = checkpoint.final_gain().to(device).double() if settings.final_norm else None
        scale = checkpoint.shape.embedding_scale
        plain = Sources(embedding, scale=scale)
        mlp = None if shallow or not settings.first_mlp else checkpoint.first_mlp().to(device)
        through = plain if mlp is None else Sources(embedding, mlp, scale)
        vocabulary = checkpoint.vocabulary
        relations = [
            usable(r, vocabulary.single_tokens, settings.k or default_k(r, vocabulary.size)) for r in settings.relations
        ]
        return cls(checkpoint, settings, device, columns, gain, plain, through, Pairs.of(relations, device))

    def heads(self, layer: int) -> Heads:
        """A layer's weights in float32."""
        values, outputs = self.checkpoint.values(layer), self.checkpoint.outputs(layer)
        return Heads(values.to(self.device), outputs.to(self.device))

    def sources(self, layer: int) -> Sources:
        """What a layer's heads read."""
        return self.plain if layer == 0 else self.through_mlp

    def reading(self, exact: Heads) -> Heads:
        """The heads with the final norm's gain on their outputs, where that is asked for."""
        return exact if self.gain is None else Heads(exact.values, exact.outputs * self.gain)

    def layer(self, layer: int) -> dict[str, list[Row]]:
        """The rows of every table for one layer."""
        s, sources, heads = self.settings, self.sources(layer), self.heads(layer)
        sigma, exact = saliency(sources, heads), heads.double()
        reading = self.reading(exact)
        wanted = Wanted(s.salient, s.heldout, s.targets, s.suppressive)
        found = salient_mappings(sources, sigma, exact, reading, self.columns, wanted)
        scores = scores_of_layer(self.pairs, sources, reading, self.columns)
        ids = [HeadId(layer, head) for head in range(len(heads.outputs))]
        mapped = list(zip(ids, self.mappings(found, found.highest), strict=True))
        tables = {
            "heads": [head_row(x, x.head // heads.group, sigma[x.head], float(found.kurtosis[x.head])) for x in ids],
            "mappings": [mapping_row(head, m) for head, each in mapped for m in each[: s.salient]],
            "heldout": [mapping_row(head, m) for head, each in mapped for m in each[s.salient :]],
            "relations": [relation_row(head, each) for head, row in zip(ids, scores, strict=True) for each in row],
        }
        if found.lowest is not None:
            low = zip(ids, self.mappings(found, found.lowest), strict=True)
            tables["suppressive"] = [mapping_row(head, m) for head, each in low for m in each]
        self.add_statistics(tables["heads"], sources, exact, reading, found)
        return tables

    def add_statistics(
        self, rows: list[Row], sources: Sources, exact: Heads, reading: Heads, found: SalientMappings
    ) -> None:
        """The columns of `heads` that are computed on request, since they look at all of M."""
        if self.settings.output_space:
            for row, size in zip(rows, output_spaces(sources, exact, self.columns, self.gain), strict=True):
                row["output_space"] = size
        if self.settings.top_scoring:
            n = min(self.settings.salient, found.sources.shape[1])
            for row in rows:
                head = row["head"]
                targets = Targets(found.highest.ids[head, :n], found.highest.scores[head, :n])
                entries = highest_entries(sources, reading, head, self.columns, targets.ids.numel())
                row["top_scoring_jaccard"] = overlap(found.sources[head, :n], targets, entries)

    def mappings(self, found: SalientMappings, targets: Targets) -> list[list[Mapping]]:
        """Each head's ids and scores as mappings with their tokens' text."""
        tokens = self.checkpoint.vocabulary.tokens
        columns = (found.sources, found.saliency, targets.ids, targets.scores)
        heads = zip(*(column.tolist() for column in columns), strict=True)
        return [
            [
                Mapping(rank, i, tokens[i], sigma, tuple(best), tuple(tokens[t] for t in best), tuple(scores))
                for rank, (i, sigma, best, scores) in enumerate(zip(*head, strict=False), start=1)
            ]
            for head in heads
        ]


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
