"""The correlation of what heads' weights say with what they do while the model runs (paper, section 4.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maps.errors import MapsError
from maps.experiments.dynamic_scores import Dynamic, correlations, dynamic_scores, row_of
from maps.experiments.hooked_model import Running
from maps.experiments.prompts import single
from maps.experiments.results import LeftOut, Result
from maps.experiments.setup import Progress, enough, plainly, prepared
from maps.experiments.static_scores import Static, heads_of, static_scores
from maps.experiments.task_prompts import PROMPTS
from maps.files.lock import locked
from maps.mapping.mapper import Work
from maps.mapping.settings import Settings, chosen_layers

NOWHERE = "no subject keeps its tokens in a prompt"


def correlation(
    model: str,
    out: Path,
    settings: Settings,
    prompts: str = "paper",
    device: str = "cpu",
    progress: Progress = plainly,
) -> Result:
    """Correlates static with dynamic scores and writes `correlation.csv`; goes on where a run stopped.

    `prompts`: `paper` for the paper's sentence, `all` for three more. Raises MapsError where `out` holds a run, or an
    atlas, of other settings.
    """
    templates = sentences(prompts)
    work, run = prepared("correlation", model, out, settings, device, {"prompts": templates})
    with locked(out, "evaluate"):
        finished = run.finished()
        if finished is not None:
            return finished
        kept, left = enough(work)
        names = [each.relation.name for each in kept]
        todo = [name for name in names if not run.has(name)]
        if todo:
            scored, running = by_name(work), Running.open(work.model)
            for name in progress(todo, len(names) - len(todo)):
                run.keep(name, single_part(running, work, scored[name], templates))
        parts = [run.part(name) for name in names]
        left += [LeftOut(each["relation"], each["pairs"], NOWHERE) for each in parts if each["row"] is None]
        return run.end([each["row"] for each in parts if each["row"] is not None], left)


def sentences(prompts: str) -> list[str]:
    """The sentences of a choice; raises MapsError for any other."""
    if prompts not in PROMPTS:
        raise MapsError(f"There are no prompts {prompts}; the choices are {' and '.join(PROMPTS)}.")
    return list(PROMPTS[prompts])


def by_name(work: Work) -> dict[str, Static]:
    """The static scores of every relation that has any."""
    return {each.usable.relation.name: each for each in static_scores(work)}


def single_part(running: Running, work: Work, static: Static, templates: list[str]) -> dict[str, Any]:
    """What a relation's row is made of: the scores of its single-token pairs."""
    usable, layers = static.usable, chosen_layers(work.settings, work.model.shape.layers)
    dynamic = dynamic_scores(running, single(work.model, usable), usable.k, templates, layers)
    return part_of(work, static, len(usable.sources), dynamic)


def part_of(work: Work, static: Static, pairs: int, dynamic: Dynamic | None) -> dict[str, Any]:
    """A relation's part: its heads, their static scores, their dynamic ones by prompt, and the row.

    The row is None where no pair could be put into some prompt.
    """
    part: dict[str, Any] = {
        "relation": static.usable.relation.name,
        "pairs": pairs,
        "heads": [list(head) for head in heads_of(work)],
        "score": static.score,
        "suppression": static.suppression,
        "row": None,
    }
    if dynamic is None:
        return part
    found = correlations(static, dynamic)
    undefined = {kind: each.reason for kind, each in found.items() if each.value is None}
    return (
        part
        | dynamic.scores
        | {
            "unread": dynamic.unread,
            "undefined": undefined,
            "row": row_of(static, pairs, found),
        }
    )
