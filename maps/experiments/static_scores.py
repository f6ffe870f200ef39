"""What every experiment that runs the model needs first: the model, the relations that count, and their static scores.

Static scores are φ and suppression of a relation on every head, read from the weights (paper, section 4.1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from maps.experiments.results import ExperimentRun, LeftOutRelation, open_matching_atlas, pick_settings
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import LayerMapper, open_model
from maps.mapping.settings import select_layers
from maps.text import pluralize
from maps.types import HeadId


def prepare_run(run: ExperimentRun, further_settings: dict[str, Any]) -> tuple[LayerMapper, dict[str, Any]]:
    """Opens the model, reading no tensor, and returns it with the run's settings. Writes nothing.

    Raises MapsError when `out` holds an atlas of another model or with other settings.
    """
    opened = open_model(run.model, run.settings, run.device)
    select_layers(run.settings, opened.shape)
    open_matching_atlas(run.out, opened.checkpoint, run.settings)
    identity = opened.checkpoint.identity
    asked = {"model": run.model, **identity, **pick_settings(run.settings), **further_settings}
    return LayerMapper.prepare(opened, run.settings), asked


def relations_with_enough_pairs(work: LayerMapper) -> tuple[list[UsableRelation], list[LeftOutRelation]]:
    """The relations with at least `min_pairs` usable pairs, and the others with the reason."""
    enough, left = [], []
    for usable in work.pairs.relations:
        pairs = len(usable.sources)
        if pairs >= work.settings.min_pairs:
            enough.append(usable)
        else:
            left.append(LeftOutRelation(usable.relation.name, pairs, too_few_reason(pairs, work.settings.min_pairs)))
    return enough, left


def too_few_reason(pairs: int, minimum: int) -> str:
    return f"{pluralize(pairs, 'usable pair')}, fewer than {minimum}"


class StaticScores(NamedTuple):
    """The scores of one relation on the selected heads, in the order of `selected_heads`."""

    usable: UsableRelation
    score: tuple[float, ...]
    suppression: tuple[float, ...]


def selected_heads(work: LayerMapper) -> list[HeadId]:
    """All heads of the layers to look at, layer by layer."""
    shape = work.model.shape
    return [HeadId(layer, head) for layer in select_layers(work.settings, shape) for head in range(shape.heads)]


def static_scores(work: LayerMapper) -> list[StaticScores]:
    """The scores of each relation that has a usable pair: the share of its pairs that are hits."""
    layers = select_layers(work.settings, work.model.shape)
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
