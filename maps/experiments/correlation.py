"""The correlation of what heads' weights say with what they do while the model runs (paper, section 4.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maps.errors import MapsError
from maps.experiments.dynamic_scores import DynamicScores, correlation_row, correlations_by_kind, dynamic_scores
from maps.experiments.hooked_model import HookedModel
from maps.experiments.prompts import single_token_pairs
from maps.experiments.results import LeftOutRelation, Result
from maps.experiments.setup import Progress, no_progress_bar, prepare_run, relations_with_enough_pairs
from maps.experiments.static_scores import StaticScores, selected_heads, static_scores
from maps.experiments.task_prompts import PROMPT_SETS
from maps.files.lock import lock_folder
from maps.mapping.mapper import LayerMapper
from maps.mapping.settings import MappingSettings, select_layers

NO_PROMPT_REASON = "no subject keeps its tokens in a prompt"


def evaluate_correlation(
    model: str,
    out: Path,
    settings: MappingSettings,
    prompts: str = "paper",
    device: str = "cpu",
    progress: Progress = no_progress_bar,
) -> Result:
    """Correlates static with dynamic scores and writes `correlation.csv`; goes on where a run stopped.

    `prompts`: `paper` for the paper's sentence, `all` for three more. Raises MapsError where `out` holds a run, or an
    atlas, of other settings.
    """
    templates = prompt_templates(prompts)
    work, run = prepare_run("correlation", model, out, settings, device, {"prompts": templates})
    with lock_folder(out, "evaluate"):
        finished = run.finished_result()
        if finished is not None:
            return finished
        kept, left = relations_with_enough_pairs(work)
        names = [each.relation.name for each in kept]
        todo = [name for name in names if not run.has_part(name)]
        if todo:
            scored, running = static_scores_by_relation(work), HookedModel.open(work.model)
            for name in progress(todo, len(names) - len(todo)):
                run.write_part(name, single_token_part(running, work, scored[name], templates))
        parts = [run.read_part(name) for name in names]
        left += [
            LeftOutRelation(each["relation"], each["pairs"], NO_PROMPT_REASON) for each in parts if each["row"] is None
        ]
        return run.write_result([each["row"] for each in parts if each["row"] is not None], left)


def prompt_templates(prompts: str) -> list[str]:
    """The sentences of a choice; raises MapsError for any other."""
    if prompts not in PROMPT_SETS:
        raise MapsError(f"There are no prompts {prompts}; the choices are {' and '.join(PROMPT_SETS)}.")
    return list(PROMPT_SETS[prompts])


def static_scores_by_relation(work: LayerMapper) -> dict[str, StaticScores]:
    """The static scores of every relation that has any."""
    return {each.usable.relation.name: each for each in static_scores(work)}


def single_token_part(
    hooked_model: HookedModel, work: LayerMapper, static: StaticScores, templates: list[str]
) -> dict[str, Any]:
    """What a relation's row is made of: the scores of its single-token pairs."""
    usable, layers = static.usable, select_layers(work.settings, work.model.shape.layers)
    dynamic = dynamic_scores(hooked_model, single_token_pairs(work.model, usable), usable.k, templates, layers)
    return relation_part(work, static, len(usable.sources), dynamic)


def relation_part(work: LayerMapper, static: StaticScores, pairs: int, dynamic: DynamicScores | None) -> dict[str, Any]:
    """A relation's part: its heads, their static scores, their dynamic ones by prompt, and the row.

    The row is None where no pair could be put into some prompt.
    """
    part: dict[str, Any] = {
        "relation": static.usable.relation.name,
        "pairs": pairs,
        "heads": [list(head) for head in selected_heads(work)],
        "score": static.score,
        "suppression": static.suppression,
        "row": None,
    }
    if dynamic is None:
        return part
    found = correlations_by_kind(static, dynamic)
    undefined = {kind: each.reason for kind, each in found.items() if each.value is None}
    return (
        part
        | dynamic.scores
        | {
            "unread": dynamic.unread_pairs,
            "undefined": undefined,
            "row": correlation_row(static, pairs, found),
        }
    )
