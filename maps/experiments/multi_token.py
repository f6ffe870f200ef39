"""The same correlation for sources of several tokens, beside the single-token figures (paper, section 4.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maps.experiments.correlation import (
    NO_PROMPT_REASON,
    prompt_templates,
    relation_part,
    single_token_part,
    static_scores_by_relation,
)
from maps.experiments.dynamic_scores import dynamic_scores
from maps.experiments.hooked_model import HookedModel
from maps.experiments.prompts import PromptPair, multi_token_pairs
from maps.experiments.results import CORRELATION_KINDS, P_VALUE_COLUMNS, LeftOutRelation, Result
from maps.experiments.setup import Progress, no_progress_bar, prepare_run, relations_with_enough_pairs, too_few_reason
from maps.experiments.static_scores import StaticScores
from maps.files.lock import lock_folder
from maps.mapping.mapper import LayerMapper
from maps.mapping.settings import MappingSettings, select_layers


def evaluate_multi_token(
    model: str,
    out: Path,
    settings: MappingSettings,
    prompts: str = "paper",
    device: str = "cpu",
    progress: Progress = no_progress_bar,
) -> Result:
    """Correlates static scores with the dynamic ones of sources of two or more tokens; writes `multi_token.csv`.

    The static scores are those of the relation's single-token pairs. A relation needs enough pairs of both kinds.
    """
    templates = prompt_templates(prompts)
    work, run = prepare_run("multi_token", model, out, settings, device, {"prompts": templates})
    with lock_folder(out, "evaluate"):
        finished = run.finished_result()
        if finished is not None:
            return finished
        spoken, left = pairs_of_both_kinds(work)
        todo = [name for name in spoken if not run.has_part(name)]
        if todo:
            scored, running = static_scores_by_relation(work), HookedModel.open(work.model)
            for name in progress(todo, len(spoken) - len(todo)):
                run.write_part(name, multi_token_part(running, work, scored[name], spoken[name], templates))
        parts = [run.read_part(name) for name in spoken]
        left += [
            LeftOutRelation(each["relation"], each["pairs"], NO_PROMPT_REASON) for each in parts if each["row"] is None
        ]
        return run.write_result([each["row"] for each in parts if each["row"] is not None], left)


def pairs_of_both_kinds(work: LayerMapper) -> tuple[dict[str, list[PromptPair]], list[LeftOutRelation]]:
    """The longer pairs of the relations that have enough of them and of single-token ones; the others with why not."""
    kept, left = relations_with_enough_pairs(work)
    left = [each._replace(reason=f"single-token sources: {each.reason}") for each in left]
    found = {}
    for usable in kept:
        name, pairs = usable.relation.name, multi_token_pairs(work.model, usable.relation)
        if len(pairs) < work.settings.min_pairs:
            left.append(
                LeftOutRelation(
                    name, len(pairs), f"longer sources: {too_few_reason(len(pairs), work.settings.min_pairs)}"
                )
            )
        else:
            found[name] = pairs
    return found, left


def multi_token_part(
    hooked_model: HookedModel, work: LayerMapper, static: StaticScores, pairs: list[PromptPair], templates: list[str]
) -> dict[str, Any]:
    """What a relation's row is made of: the part of its longer sources, with that of the single ones in it."""
    layers = select_layers(work.settings, work.model.shape.layers)
    dynamic = dynamic_scores(hooked_model, pairs, static.usable.k, templates, layers)
    found, single = (
        relation_part(work, static, len(pairs), dynamic),
        single_token_part(hooked_model, work, static, templates),
    )
    if found["row"] is not None:
        own = single["row"] or dict.fromkeys(("pairs", *CORRELATION_KINDS, *P_VALUE_COLUMNS))
        found["row"] |= {f"single_{name}": own[name] for name in ("pairs", *CORRELATION_KINDS, *P_VALUE_COLUMNS)}
    return found | {"single": single}
