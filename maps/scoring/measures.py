"""The measures that take no language model: named checks, and how concentrated a head's targets are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from maps.atlas.append_log import open_row_writer, write_atlas_table
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row, make_table
from maps.data import predefined_relations
from maps.describers.offline.describer import OfflineDescriber
from maps.errors import MapsError
from maps.hashes import mapping_hash
from maps.scoring.checks import supported_checks
from maps.scoring.concentration import entropy, share_below
from maps.types import HeadId, Relation, check_at_least_one

if TYPE_CHECKING:
    from maps.mapping.model import Model

Progress = Callable[[Sequence[int], int], Iterable[int]]


class RandomHeadDraw(NamedTuple):
    """Which random heads a layer gets: how many, from which seed."""

    heads_per_layer: int = 20
    seed: int = 0


def write_offline_measures(atlas: Atlas, random_heads: int, model: str | None, seed: int) -> None:
    """Writes `supported_checks` and `concentration`, that many random heads a layer drawn first.

    With 0 none are drawn, and no model is read; those of an earlier draw are compared with.
    """
    draw = (
        RandomHeadDraw(check_at_least_one("random_heads", random_heads), seed)
        if random_heads
        else RandomHeadDraw(seed=seed)
    )
    write_checks(atlas, predefined_relations())
    if random_heads:
        draw_random_heads(atlas, model, draw, lambda todo, _done: todo)
    write_concentration(atlas, draw)


def write_checks(atlas: Atlas, relations: Sequence[Relation]) -> list[Row]:
    """Writes `supported_checks`: for every head each named check that at least one of its mappings bears out."""
    tested = OfflineDescriber(relations).applicable_hypotheses
    rows = [
        {"layer": head.layer, "head": head.head, **check._asdict(), "mapping_hash": mapping_hash(mappings)}
        for head, mappings in atlas.mappings_by_head().items()
        for check in supported_checks(mappings, tested)
    ]
    write_atlas_table(atlas, "checks", make_table("checks", rows))
    return rows


def write_concentration(atlas: Atlas, draw: RandomHeadDraw) -> list[Row]:
    """Writes `concentration` from the atlas's own tables and the random heads that are there."""
    random: dict[int, list[Row]] = defaultdict(list)
    for row in stored_random_heads(atlas, draw):
        random[row["layer"]].append(row)
    kurtosis = {HeadId(r["layer"], r["head"]): r["target_kurtosis"] for r in atlas.table("heads").to_pylist()}
    rows = []
    for head, mappings in atlas.mappings_by_head().items():
        others, bits = random[head.layer], entropy(target for m in mappings for target in m.target_ids)
        rows.append(
            {
                "layer": head.layer,
                "head": head.head,
                "target_entropy": bits,
                "random_heads": len(others),
                "seed": draw.seed if others else None,
                "entropy_below": share_below(bits, [row["target_entropy"] for row in others]),
                "kurtosis_below": share_below(kurtosis[head], known_values(row["target_kurtosis"] for row in others)),
                "mapping_hash": mapping_hash(mappings),
            }
        )
    write_atlas_table(atlas, "concentration", make_table("concentration", rows))
    return rows


def known_values(values: Iterable[float | None]) -> list[float]:
    """The values that are there."""
    return [value for value in values if value is not None]


def stored_random_heads(atlas: Atlas, draw: RandomHeadDraw) -> list[Row]:
    """The random heads of that draw that the atlas holds."""
    rows = atlas.table("random_heads").to_pylist()
    return [row for row in rows if row["seed"] == draw.seed and row["head"] < draw.heads_per_layer]


def draw_random_heads(atlas: Atlas, model: str | None, draw: RandomHeadDraw, progress: Progress) -> None:
    """Draws the random heads that are missing, a layer at a time; goes on where a run stopped.

    `model` is where the atlas's model is now; the place that it was mapped from where it is None. Raises MapsError
    where it cannot be opened or is another one.
    """
    with open_row_writer(atlas, "random_heads") as keep:
        there = {(row["layer"], row["head"]) for row in stored_random_heads(atlas, draw)}
        layers = sorted({head.layer for head in atlas.head_ids})
        missing = {layer: [n for n in range(draw.heads_per_layer) if (layer, n) not in there] for layer in layers}
        todo = [layer for layer in layers if missing[layer]]
        if not todo:
            return
        from maps.heads.salient_tokens import SalientCounts
        from maps.scoring.random_heads import random_head_rows

        opened, settings = open_atlas_model(atlas, model), atlas.info["settings"]
        wanted = SalientCounts(settings["salient"], 0, settings["targets"])
        for layer in progress(todo, len(layers) - len(todo)):
            for row in random_head_rows(opened, layer, missing[layer], draw.seed, wanted):
                keep(row)


def open_atlas_model(atlas: Atlas, name: str | None) -> Model:
    """The model of an atlas, read as it was mapped; raises MapsError where it is not the same one."""
    from maps.mapping.model import Model

    info = atlas.info
    settings: Mapping[str, object] = info["settings"]
    asked_for = name or str(info["asked_for"])
    found = Model.open(
        asked_for,
        dtype=str(settings["dtype"]),
        first_mlp=bool(settings["first_mlp"]),
        final_norm=bool(settings["final_norm"]),
    )
    if found.checkpoint.revision != info["revision"]:
        raise MapsError(
            f"{asked_for} is not the model of this atlas: its revision is {found.checkpoint.revision}, mapped was "
            f"{info['revision']}; name that one with --model, or leave random heads out with --no-random."
        )
    return found
