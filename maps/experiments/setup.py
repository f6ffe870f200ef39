"""How every experiment that runs the model begins: its weights, its folder, and the relations that count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from maps.experiments.results import DEPENDS_ON, LeftOut, Run, atlas_in
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import Work, opened
from maps.mapping.settings import Settings, chosen_layers
from maps.text import many

Progress = Callable[[Sequence[str], int], Iterable[str]]  # wraps the relations still to do, given how many are done


def plainly(todo: Sequence[str], _done: int) -> Iterable[str]:
    """No progress bar."""
    return todo


def prepared(
    experiment: str, model: str, out: Path, settings: Settings, device: str, further: dict[str, Any]
) -> tuple[Work, Run]:
    """The model, its weights still unread, and the run in its folder; raises MapsError where that holds another one."""
    loaded = opened(model, settings, device)
    chosen_layers(settings, loaded.shape.layers)
    revision, now = loaded.checkpoint.revision, settings.as_json()
    asked = {"model": model, "revision": revision, **{name: now[name] for name in DEPENDS_ON}, **further}
    run = Run(out, experiment, asked)
    run.finished()
    atlas_in(out, revision, settings)
    run.begin()
    return Work.prepare(loaded, settings), run


def enough(work: Work) -> tuple[list[UsableRelation], list[LeftOut]]:
    """The relations with enough usable pairs, and the others with the reason why not."""
    kept, left = [], []
    for usable in work.pairs.relations:
        pairs = len(usable.sources)
        if pairs >= work.settings.min_pairs:
            kept.append(usable)
        else:
            left.append(LeftOut(usable.relation.name, pairs, too_few(pairs, work.settings.min_pairs)))
    return kept, left


def too_few(pairs: int, least: int, kind: str = "usable pair") -> str:
    """Why a relation with few pairs is left out."""
    return f"{many(pairs, kind)}, fewer than {least}"
