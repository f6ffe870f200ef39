"""How every experiment that runs the model begins: its weights, its folder, and the relations that count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from maps.experiments.results import USED_SETTINGS, ExperimentRun, LeftOutRelation, open_matching_atlas
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import LayerMapper, open_model
from maps.mapping.settings import MappingSettings, select_layers
from maps.text import pluralize

Progress = Callable[[Sequence[str], int], Iterable[str]]  # wraps the relations still to do, given how many are done


def no_progress_bar(todo: Sequence[str], _done: int) -> Iterable[str]:
    """No progress bar."""
    return todo


def prepare_run(
    experiment: str, model: str, out: Path, settings: MappingSettings, device: str, further_settings: dict[str, Any]
) -> tuple[LayerMapper, ExperimentRun]:
    """The model, its weights still unread, and the run in its folder; raises MapsError where that holds another one."""
    loaded = open_model(model, settings, device)
    select_layers(settings, loaded.shape.layers)
    revision, now = loaded.checkpoint.revision, settings.as_json()
    asked = {"model": model, "revision": revision, **{name: now[name] for name in USED_SETTINGS}, **further_settings}
    run = ExperimentRun(out, experiment, asked)
    run.finished_result()
    open_matching_atlas(out, revision, settings)
    run.begin()
    return LayerMapper.prepare(loaded, settings), run


def relations_with_enough_pairs(work: LayerMapper) -> tuple[list[UsableRelation], list[LeftOutRelation]]:
    """The relations with enough usable pairs, and the others with the reason why not."""
    kept, left = [], []
    for usable in work.pairs.relations:
        pairs = len(usable.sources)
        if pairs >= work.settings.min_pairs:
            kept.append(usable)
        else:
            left.append(LeftOutRelation(usable.relation.name, pairs, too_few_reason(pairs, work.settings.min_pairs)))
    return kept, left


def too_few_reason(pairs: int, minimum: int, kind: str = "usable pair") -> str:
    """Why a relation with few pairs is left out."""
    return f"{pluralize(pairs, kind)}, fewer than {minimum}"
