"""What every experiment that runs the model needs first: the model, the settings, and the relations that count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maps.experiments.results import LeftOutRelation, open_matching_atlas, pick_settings
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import LayerMapper, open_model
from maps.mapping.settings import MappingSettings, select_layers
from maps.text import pluralize


def prepare_run(
    model: str, out: Path, settings: MappingSettings, device: str, further_settings: dict[str, Any]
) -> tuple[LayerMapper, dict[str, Any]]:
    """Opens the model, reading no tensor, and returns it with the run's settings. Writes nothing.

    Raises MapsError when `out` holds an atlas of another model or with other settings.
    """
    opened = open_model(model, settings, device)
    select_layers(settings, opened.shape.layers)
    revision = opened.checkpoint.revision
    open_matching_atlas(out, revision, settings)
    asked = {"model": model, "revision": revision, **pick_settings(settings), **further_settings}
    return LayerMapper.prepare(opened, settings), asked


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
