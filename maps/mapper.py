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

from maps import circuits
from maps.atlas import FORMAT_VERSION, Atlas, Parts
from maps.card import atlas_card
from maps.ranks import Columns
from maps.relations import Pairs, default_k, scores_of_layer, usable
from maps.salient import SalientMappings, salient_mappings
from maps.settings import Settings, chosen_layers, is_finished
from maps.tables import Row, mapping_row, relation_row
from maps.targets import Targets
from maps.types import HeadId, Mapping, MapsError
from maps.weights import Checkpoint, open_checkpoint


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
        work = Work.prepare(checkpoint, settings, where, shallow=todo == [0])
        for layer in progress(todo, len(layers) - len(todo)):
            parts.add(layer, work.layer(layer))
    info = atlas_info(checkpoint, model, settings)
    parts.finish(layers, info, atlas_card(info))
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
    plain: circuits.Sources
    through_mlp: circuits.Sources
    pairs: Pairs

    @classmethod
    def prepare(cls, checkpoint: Checkpoint, settings: Settings, device: torch.device, shallow: bool) -> Work:
        """Reads embedding, unembedding and first MLP; `shallow` where only layer 0 is wanted, which reads E itself."""
        embedding = checkpoint.embedding().to(device)
        columns = Columns.of(checkpoint.unembedding(embedding).to(device))
        plain = circuits.Sources(embedding)
        mlp = None if shallow or not settings.first_mlp else checkpoint.first_mlp().to(device)
        through = plain if mlp is None else circuits.Sources(embedding, mlp)
        vocabulary = checkpoint.vocabulary
        relations = [
            usable(r, vocabulary.single_tokens, settings.k or default_k(r, vocabulary.size)) for r in settings.relations
        ]
        return cls(checkpoint, settings, device, columns, plain, through, Pairs.of(relations, device))

    def layer(self, layer: int) -> dict[str, list[Row]]:
        """The rows of every table for one layer."""
        s, sources = self.settings, self.plain if layer == 0 else self.through_mlp
        values, outputs = self.checkpoint.values(layer), self.checkpoint.outputs(layer)
        heads = circuits.Heads(values.to(self.device), outputs.to(self.device))
        sigma, exact = circuits.saliency(sources, heads), heads.double()
        found = salient_mappings(sources, sigma, exact, self.columns, s.salient, s.heldout, s.targets, s.suppressive)
        scores = scores_of_layer(self.pairs, sources, exact, self.columns)
        ids = [HeadId(layer, head) for head in range(len(outputs))]
        mapped = list(zip(ids, self.mappings(found, found.highest), strict=True))
        kurtosis = [x if isfinite(x) else None for x in found.kurtosis.tolist()]
        return {
            "heads": [head_row(x, x.head // heads.group, sigma[x.head], kurtosis[x.head]) for x in ids],
            "mappings": [mapping_row(head, m) for head, each in mapped for m in each[: s.salient]],
            "heldout": [mapping_row(head, m) for head, each in mapped for m in each[s.salient :]],
            "relations": [relation_row(head, each) for head, row in zip(ids, scores, strict=True) for each in row],
        }

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


def head_row(head: HeadId, kv_head: int, sigma: Tensor, kurtosis: float | None) -> Row:
    """A row of `heads`; output space is not computed here."""
    return {
        "layer": head.layer,
        "head": head.head,
        "kv_head": kv_head,
        "saliency_mean": float(sigma.double().mean()),
        "saliency_max": float(sigma.max()),
        "input_skewness": circuits.skewness(sigma),
        "target_kurtosis": kurtosis,
        "output_space": None,
    }
