"""The evidence that needs no language model: supported checks, and how concentrated a head's targets are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from maps.atlas.append_log import open_row_writer, write_atlas_table
from maps.atlas.reader import Atlas
from maps.atlas.remote import COMMIT_PATTERN
from maps.atlas.schema import Row, make_table
from maps.data import predefined_relations
from maps.describers.offline.describer import OfflineDescriber
from maps.describers.offline.hypotheses import Hypothesis
from maps.describers.offline.tokens import ParsedMapping
from maps.errors import MapsError
from maps.hashes import mapping_hash
from maps.scoring.comparison import entropy, share_below
from maps.types import HeadId, Mapping, Progress, Relation, check_at_least_one, no_progress_bar

if TYPE_CHECKING:
    from maps.mapping.model import Model


class NamedCheck(NamedTuple):
    """A hypothesis, the number of mappings that support it, and the number expected by chance (None: not defined)."""

    check: str
    support: int
    by_chance: float | None


class RandomHeadDraw(NamedTuple):
    """Which random heads are drawn for each layer."""

    heads_per_layer: int = 20
    seed: int = 0


def write_offline_measures(atlas: Atlas, random_heads: int, model: str | None, seed: int) -> None:
    """Writes `checks` and `concentration`, after drawing `random_heads` random heads per layer.

    With 0, none are drawn and no model is opened; heads are compared with those of an earlier draw.
    """
    draw = RandomHeadDraw(seed=seed)
    if random_heads:
        draw = RandomHeadDraw(check_at_least_one("random_heads", random_heads), seed)
    write_checks(atlas, predefined_relations())
    if random_heads:
        draw_random_heads(atlas, model, draw, no_progress_bar)
    write_concentration(atlas, draw)


def write_checks(atlas: Atlas, relations: Sequence[Relation]) -> list[Row]:
    """Writes `checks`: for every head, each check that at least one of its mappings supports."""
    hypotheses_for = OfflineDescriber(relations).applicable_hypotheses
    rows = [
        {"layer": head.layer, "head": head.head, **check._asdict(), "mapping_hash": mapping_hash(mappings)}
        for head, mappings in atlas.mappings_by_head().items()
        for check in supported_checks(mappings, hypotheses_for)
    ]
    write_atlas_table(atlas, "checks", make_table("checks", rows))
    return rows


def supported_checks(
    mappings: Sequence[Mapping], hypotheses_for: Callable[[Sequence[ParsedMapping]], Sequence[Hypothesis]]
) -> list[NamedCheck]:
    """The hypotheses for these mappings that at least one mapping supports, highest support first.

    `by_chance` is the mean support when each source is paired with the targets of another one; None for a hypothesis
    about the targets alone.
    """
    lines = [ParsedMapping.parse(mapping) for mapping in mappings]
    checks = []
    for hypothesis in hypotheses_for(lines):
        support = hypothesis.support(lines)
        if support:
            by_chance = hypothesis.support_by_chance(lines) if hypothesis.depends_on_source else None
            checks.append(NamedCheck(hypothesis.name, support, by_chance))
    return sorted(checks, key=lambda check: -check.support)


def write_concentration(atlas: Atlas, draw: RandomHeadDraw) -> list[Row]:
    """Writes `concentration` from the atlas's tables and the random heads of that draw that it has."""
    random_by_layer: dict[int, list[Row]] = defaultdict(list)
    for row in stored_random_heads(atlas, draw):
        random_by_layer[row["layer"]].append(row)
    kurtosis = {HeadId(r["layer"], r["head"]): r["target_kurtosis"] for r in atlas.table("heads").to_pylist()}
    rows = []
    for head, mappings in atlas.mappings_by_head().items():
        others = random_by_layer[head.layer]
        bits = entropy(target for m in mappings for target in m.target_ids)
        other_kurtosis = [row["target_kurtosis"] for row in others if row["target_kurtosis"] is not None]
        rows.append(
            {
                **head._asdict(),
                "target_entropy": bits,
                "random_heads": len(others),
                "seed": draw.seed if others else None,
                "entropy_below": share_below(bits, [row["target_entropy"] for row in others]),
                "kurtosis_below": share_below(kurtosis[head], other_kurtosis),
                "mapping_hash": mapping_hash(mappings),
            }
        )
    write_atlas_table(atlas, "concentration", make_table("concentration", rows))
    return rows


def stored_random_heads(atlas: Atlas, draw: RandomHeadDraw) -> list[Row]:
    rows = atlas.table("random_heads").to_pylist()
    return [row for row in rows if row["seed"] == draw.seed and row["head"] < draw.heads_per_layer]


def draw_random_heads(atlas: Atlas, model: str | None, draw: RandomHeadDraw, progress: Progress[int]) -> None:
    """Draws and stores the random heads that the atlas does not have yet, one layer at a time.

    `model`: where the atlas's model is now; None: where it was mapped from. Raises MapsError if the model cannot be
    opened or is not the one that was mapped.
    """
    with open_row_writer(atlas, "random_heads") as store_row:
        stored = {(row["layer"], row["head"]) for row in stored_random_heads(atlas, draw)}
        layers = sorted({head.layer for head in atlas.head_ids})
        missing = {layer: [n for n in range(draw.heads_per_layer) if (layer, n) not in stored] for layer in layers}
        todo = [layer for layer in layers if missing[layer]]
        if not todo:
            return
        from maps.heads.salient_tokens import SalientCounts
        from maps.scoring.random_heads import random_head_rows

        opened, settings = open_atlas_model(atlas, model), atlas.info["settings"]
        counts = SalientCounts(settings["salient"], 0, settings["targets"])
        for layer in progress(todo, len(layers) - len(todo)):
            for row in random_head_rows(opened, layer, missing[layer], draw.seed, counts):
                store_row(row)


def open_atlas_model(atlas: Atlas, name: str | None) -> Model:
    """The model of an atlas, opened with the settings of the atlas; raises MapsError if its weights are others.

    Without a `name` a model on the Hub is opened at the commit that was mapped.
    """
    from maps.mapping.calibration import open_atlas_calibration
    from maps.mapping.model import Model
    from maps.mapping.reading import Reading

    info, settings = atlas.info, atlas.info["settings"]
    model_name = name or str(info["asked_for"])
    revision = info["revision"] if name is None and COMMIT_PATTERN.fullmatch(info["revision"]) else None
    reading, calibration = Reading.parse(settings["reading"]), open_atlas_calibration(atlas)
    model = Model.open(model_name, "cpu", settings["dtype"], reading, calibration, revision=revision)
    if not model.checkpoint.is_model_of(info):
        raise MapsError(
            f"{model_name} is not the model of this atlas: its revision is {model.checkpoint.revision}, the atlas has "
            f"{info['revision']}. Give the right model with --model; `maps score --no-random` without --predict needs "
            "none."
        )
    return model
