"""The static scores that experiments are compared with: φ and suppression of every relation on every head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import LayerMapper
from maps.mapping.settings import select_layers
from maps.types import HeadId


class StaticScores(NamedTuple):
    """One relation on every head that is looked at, in their order."""

    usable: UsableRelation
    score: tuple[float, ...]
    suppression: tuple[float, ...]


def selected_heads(work: LayerMapper) -> list[HeadId]:
    """The heads that are looked at, layer by layer."""
    shape = work.model.shape
    return [HeadId(layer, head) for layer in select_layers(work.settings, shape.layers) for head in range(shape.heads)]


def static_scores(work: LayerMapper) -> list[StaticScores]:
    """Every relation's scores, relations without usable pairs left out."""
    layers = select_layers(work.settings, work.model.shape.layers)
    tested = [each for layer in layers for each in work.compute_head_hits(layer)]
    found, start = [], 0
    for usable in work.pairs.relations:
        end = start + len(usable.sources)
        if end > start:
            score, suppression = (
                tuple(int(hit[start:end].sum()) / (end - start) for hit in side)
                for side in ([x.top for x in tested], [x.bottom for x in tested])
            )
            found.append(StaticScores(usable, score, suppression))
        start = end
    return found


def with_enough_pairs(scores: Sequence[StaticScores], min_pairs: int) -> list[StaticScores]:
    """Those with enough usable pairs."""
    return [each for each in scores if len(each.usable.sources) >= min_pairs]
