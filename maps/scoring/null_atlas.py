"""Null atlases: mappings in which there is no pattern, for the same describers, scorers and tests as a real atlas.

`random`: the mappings of random heads, as many as the model has, drawn as for the random baseline. `shuffled`: the
sources of every real head, each with the targets of a mapping of another head. What a describer still sees there is
what it would see by chance.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from maps.atlas.layer_store import LayerStore
from maps.atlas.null import NULL_KINDS, SHUFFLED, is_null
from maps.atlas.reader import CALIBRATION_FILE, Atlas
from maps.atlas.schema import Row, head_of, make_table, mapping_row
from maps.errors import MapsError
from maps.heads.salient_tokens import SalientCounts
from maps.mapping.calibration import Calibration
from maps.mapping.mapper import time_now
from maps.mapping.model import Model
from maps.mapping.rows import head_row
from maps.scoring.measures import open_atlas_model
from maps.scoring.random_heads import draw_random_heads
from maps.types import HeadId, Mapping, Progress, check_seed, no_progress_bar

MAPPING_TABLES = ("mappings", "heldout")
MappingsByHead = dict[HeadId, list[Mapping]]


def write_null_atlas(
    atlas: Atlas,
    out: Path,
    kind: str,
    seed: int = 0,
    model: str | None = None,
    progress: Progress[int] = no_progress_bar,
) -> Atlas:
    """Writes a null atlas of an atlas into the folder `out`, layer by layer, and goes on where it stopped.

    `model`: where the atlas's model is now, for random heads; None: where it was mapped from. Raises MapsError for
    another kind, for an atlas that is null itself, and where `out` holds something else.
    """
    check_seed(seed)
    if kind not in NULL_KINDS:
        raise MapsError(f"There is no null atlas of the kind {kind!r}; the kinds are {' and '.join(NULL_KINDS)}.")
    if is_null(atlas):
        raise MapsError(f"{atlas.folder} is a null atlas itself; give the atlas that it was made from.")
    null = {"kind": kind, "seed": seed, "of": atlas.model, "created_at": atlas.info["created_at"]}
    if (out / "atlas.json").exists():
        finished = Atlas.open(out)
        if finished.info.get("null") != null:
            raise MapsError(f"{out} holds another atlas; choose another --out.")
        return finished
    store, layers = LayerStore(out), list(atlas.sizes.layers)
    with store.begin({"null": null}):
        todo = [layer for layer in layers if not store.has(layer)]
        computed = iterate_layers(atlas, kind, seed, model, todo) if todo else iter(())
        for layer, tables in zip(progress(todo, len(layers) - len(todo)), computed, strict=True):
            store.store(layer, {name: make_table(name, rows) for name, rows in tables.items()})
        if (atlas.folder / CALIBRATION_FILE).exists():
            Calibration.open(atlas.folder / CALIBRATION_FILE).copy_to(out)
        store.finish(layers, [], null_info(atlas, null))
    return Atlas.open(out)


def null_info(atlas: Atlas, null: dict[str, Any]) -> dict[str, Any]:
    """The `atlas.json` of a null atlas: no relation is scored."""
    settings = {**atlas.info["settings"], "relations": {}, "suppressive": False}
    named = f"{atlas.model} (null: {null['kind']})"
    return {**atlas.info, "model": named, "null": null, "settings": settings, "created_at": time_now()}


def iterate_layers(
    atlas: Atlas, kind: str, seed: int, model: str | None, layers: Sequence[int]
) -> Iterator[dict[str, list[Row]]]:
    """The tables of some layers."""
    if kind == SHUFFLED:
        yield from shuffled_layers(atlas, seed, layers)
        return
    opened = open_atlas_model(atlas, model)
    for layer in layers:
        yield random_layer(atlas, opened, seed, layer)


def random_layer(atlas: Atlas, model: Model, seed: int, layer: int) -> dict[str, list[Row]]:
    settings, heads = atlas.info["settings"], range(atlas.info["heads"])
    counts = SalientCounts(settings["salient"], settings["heldout"], settings["targets"])
    tables = empty_tables()
    for block in draw_random_heads(model, layer, heads, seed, counts):
        named = model.mappings(block.mappings, block.mappings.highest_targets)
        for index, (number, mappings) in enumerate(zip(block.numbers, named, strict=True)):
            head, kurtosis = HeadId(layer, number), float(block.mappings.kurtosis[index])
            tables["heads"].append(head_row(head, 0, block.saliency[index], kurtosis))
            tables["mappings"] += [mapping_row(head, mapping) for mapping in mappings[: counts.salient]]
            tables["heldout"] += [mapping_row(head, mapping) for mapping in mappings[counts.salient :]]
    return tables


def empty_tables() -> dict[str, list[Row]]:
    return {name: [] for name in ("heads", *MAPPING_TABLES, "relations", "hits")}


def shuffled_layers(atlas: Atlas, seed: int, layers: Sequence[int]) -> Iterator[dict[str, list[Row]]]:
    statistics = {head_of(row): row for row in atlas.table("heads").to_pylist()}
    by_table = {name: atlas.mappings_by_head(name) for name in MAPPING_TABLES}
    for layer in layers:
        heads, tables = [head for head in atlas.head_ids if head.layer == layer], empty_tables()
        # What was measured on the head's own targets does not hold for others.
        unknown = dict.fromkeys(("target_kurtosis", "output_space", "top_scoring_jaccard"))
        tables["heads"] = [statistics[head] | unknown for head in heads]
        for name, mappings in by_table.items():
            for head in heads:
                tables[name] += [mapping_row(head, each) for each in shuffled_mappings(mappings, head, seed)]
        yield tables


def shuffled_mappings(mappings: MappingsByHead, head: HeadId, seed: int) -> list[Mapping]:
    """A head's sources, each with the targets of a mapping of another head, drawn anew; its own if it is alone."""
    draw = random.Random(f"null:{seed}:{head}")  # seeded with a string, which gives the same draw on every machine
    others = [other for other, listed in mappings.items() if other != head and listed] or [head]
    shuffled = []
    for mapping in mappings[head]:
        drawn = draw.choice(mappings[draw.choice(others)])
        changed = {name: getattr(drawn, name) for name in ("target_ids", "targets", "scores")}
        shuffled.append(replace(mapping, **changed))
    return shuffled
