"""The static scores: φ and suppression of every relation on every head, read from the weights (paper, section 4.1)."""

from __future__ import annotations

from typing import NamedTuple

from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import LayerMapper
from maps.mapping.settings import select_layers
from maps.types import HeadId


class StaticScores(NamedTuple):
    """The scores of one relation on the selected heads, in the order of `selected_heads`."""

    usable: UsableRelation
    score: tuple[float, ...]
    suppression: tuple[float, ...]


def selected_heads(work: LayerMapper) -> list[HeadId]:
    """All heads of the layers to look at, layer by layer."""
    shape = work.model.shape
    return [HeadId(layer, head) for layer in select_layers(work.settings, shape.layers) for head in range(shape.heads)]


def static_scores(work: LayerMapper) -> list[StaticScores]:
    """The scores of each relation that has a usable pair: the share of its pairs that are hits."""
    layers = select_layers(work.settings, work.model.shape.layers)
    heads = [head for layer in layers for head in work.compute_head_hits(layer)]
    scores, start = [], 0
    for usable in work.pairs.relations:
        pairs = len(usable.sources)
        own = slice(start, start + pairs)  # the relation's pairs among all pairs
        if pairs:
            score = tuple(int(head.top[own].sum()) / pairs for head in heads)
            suppression = tuple(int(head.bottom[own].sum()) / pairs for head in heads)
            scores.append(StaticScores(usable, score, suppression))
        start += pairs
    return scores
