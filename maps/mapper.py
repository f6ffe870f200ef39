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
from maps.ranks import Columns, Targets, highest
from maps.relations import UsableRelation, default_k, scores_of_layer, usable
from maps.settings import Settings, chosen_layers, is_finished
from maps.tables import COMPUTED, Row, mapping_row, relation_row
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
    parts.finish(layers, info, atlas_card(info, COMPUTED))
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
    """What all layers share: Ẽ, U's columns, the usable relations."""

    checkpoint: Checkpoint
    settings: Settings
    device: torch.device
    columns: Columns
    plain: circuits.Sources
    through_mlp: circuits.Sources
    relations: tuple[UsableRelation, ...]

    @classmethod
    def prepare(cls, checkpoint: Checkpoint, settings: Settings, device: torch.device, shallow: bool) -> Work:
        """Reads embedding, unembedding and first MLP; `shallow` where only layer 0 is wanted, which reads E itself."""
        stored = checkpoint.embedding()
        columns = Columns.of(checkpoint.unembedding(stored).float().to(device))
        embedding = stored.float().to(device) * checkpoint.shape.embedding_scale
        plain = circuits.Sources.of(embedding, None)
        mlp = None if shallow or not settings.first_mlp else checkpoint.first_mlp().to(device)
        through = plain if mlp is None else circuits.Sources.of(embedding, mlp)
        vocabulary = checkpoint.vocabulary
        relations = tuple(
            usable(r, vocabulary.single_tokens, settings.k or default_k(r, vocabulary.size)) for r in settings.relations
        )
        return cls(checkpoint, settings, device, columns, plain, through, relations)

    def layer(self, layer: int) -> dict[str, list[Row]]:
        """The rows of every table for one layer."""
        sources = self.plain if layer == 0 else self.through_mlp
        values, outputs = self.checkpoint.values(layer), self.checkpoint.outputs(layer)
        heads = circuits.Heads(values.to(self.device), outputs.to(self.device))
        exact = heads.double()
        sigma = circuits.saliency(sources.screen, heads)
        tables: dict[str, list[Row]] = {"heads": [], "mappings": [], "heldout": [], "relations": []}
        for head, scores in enumerate(scores_of_layer(self.relations, sources, exact, self.columns)):
            tables["relations"] += [relation_row(HeadId(layer, head), score) for score in scores]
        for head in range(len(outputs)):
            where = HeadId(layer, head)
            mappings, kurtosis = self.salient_mappings(sources, sigma[head], exact, head)
            tables["mappings"] += [mapping_row(where, m) for m in mappings[: self.settings.salient]]
            tables["heldout"] += [mapping_row(where, m) for m in mappings[self.settings.salient :]]
            tables["heads"].append(head_row(where, head // heads.group, sigma[head], kurtosis))
        return tables

    def salient_mappings(
        self, sources: circuits.Sources, sigma: Tensor, exact: circuits.Heads, head: int
    ) -> tuple[list[Mapping], float | None]:
        """A head's mappings, the held-out ranks after the salient ones, and the mean kurtosis of the salient rows.

        The kurtosis is None where a row is constant, as in a head that writes nothing.
        """
        s = self.settings
        ids, saliency = circuits.salient_tokens(sources, sigma, exact, head, s.salient + s.heldout)
        y = exact.written(sources.exact(ids), head)
        rows = y.float() @ self.columns.rows.T  # (salient + heldout, V)
        found = highest(y, rows, s.targets, self.columns)
        kurtosis = float(circuits.kurtosis(rows[: s.salient]).mean())
        return self.mappings(ids, saliency, found), kurtosis if isfinite(kurtosis) else None

    def mappings(self, ids: Tensor, saliency: Tensor, found: Targets) -> list[Mapping]:
        """Ids and scores as mappings with their tokens' text."""
        tokens = self.checkpoint.vocabulary.tokens
        lists = zip(ids.tolist(), saliency.tolist(), found.ids.tolist(), found.scores.tolist(), strict=True)
        return [
            Mapping(rank, i, tokens[i], sigma, tuple(targets), tuple(tokens[t] for t in targets), tuple(scores))
            for rank, (i, sigma, targets, scores) in enumerate(lists, start=1)
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
