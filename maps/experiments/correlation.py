"""Correlates what heads' weights say with what heads do while the model runs (paper, section 4.2).

For each relation, over all heads h: r = Pearson(static(h), dynamic(h)). static(h) is φ, or suppression, read from the
weights; dynamic(h) is the share of pairs whose target is among the k tokens that the head promotes, or suppresses, most
at the last position of a prompt. `multi_token` is the same for sources of several tokens, compared with single-token
sources (paper, section 4.4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maps.errors import MapsError
from maps.experiments import static_scores
from maps.experiments.dynamic_scores import correlations_by_kind, dynamic_scores
from maps.experiments.hooked_model import HookedModel
from maps.experiments.prompts import PromptPair, multi_token_pairs, single_token_pairs
from maps.experiments.results import (
    CORRELATION_KINDS,
    P_VALUE_COLUMNS,
    ExperimentRun,
    LeftOutRelation,
    Result,
    experiment_parts,
)
from maps.experiments.static_scores import StaticScores
from maps.experiments.task_prompts import PROMPT_SETS
from maps.mapping.mapper import LayerMapper
from maps.mapping.settings import select_layers

NO_PROMPT_REASON = "no subject keeps its tokens in a prompt"
SINGLE_COLUMNS = ("pairs", *CORRELATION_KINDS, *P_VALUE_COLUMNS)  # repeated as `single_…` for longer sources
PairsByRelation = dict[str, list[PromptPair]]
SelectPairs = Callable[[LayerMapper], tuple[PairsByRelation, list[LeftOutRelation]]]
# A relation's part, from the model, its static scores, its pairs and the prompts.
ComputePart = Callable[[HookedModel, LayerMapper, StaticScores, list[PromptPair], list[str]], dict[str, Any]]


def evaluate_correlation(run: ExperimentRun, prompts: str = "paper") -> Result:
    """Correlates static with dynamic scores and writes `correlation.csv`; continues a stopped run.

    `prompts`: `paper` for the paper's sentence, `all` for three more. Raises MapsError when `out` holds a run or an
    atlas with other settings.
    """
    return run_correlation("correlation", single_pairs, relation_part, run, prompts)


def run_correlation(
    experiment: str, select_pairs: SelectPairs, compute_part: ComputePart, run: ExperimentRun, prompts: str
) -> Result:
    """Computes a part for each relation that `select_pairs` returns, and writes their rows."""
    if prompts not in PROMPT_SETS:
        raise MapsError(f"There are no prompts {prompts}; the choices are {' and '.join(PROMPT_SETS)}.")
    templates = list(PROMPT_SETS[prompts])
    work, asked = static_scores.prepare_run(run, {"prompts": templates})
    parts = experiment_parts(run.out, experiment)
    with parts.begin("evaluate", asked):
        finished = Result.find(run.out, experiment)
        if finished is not None:
            return finished
        pairs, left = select_pairs(work)
        missing = parts.missing(pairs)
        if missing:
            static = {scores.usable.relation.name: scores for scores in static_scores.static_scores(work)}
            hooked_model = HookedModel.open(work.model)
            for name in run.progress(missing, len(pairs) - len(missing)):
                parts.store(name, compute_part(hooked_model, work, static[name], pairs[name], templates))
        details = [parts.read(name) for name in pairs]
        left += [LeftOutRelation(x["relation"], x["pairs"], NO_PROMPT_REASON) for x in details if x["row"] is None]
        rows = [detail["row"] for detail in details if detail["row"] is not None]
        return Result(experiment, run.out, asked, rows, left).write()


def single_pairs(work: LayerMapper) -> tuple[PairsByRelation, list[LeftOutRelation]]:
    """The single-token pairs of each relation with enough of them, and the other relations with the reason."""
    enough, left = static_scores.relations_with_enough_pairs(work)
    return {usable.relation.name: single_token_pairs(work.model, usable) for usable in enough}, left


def relation_part(
    hooked_model: HookedModel, work: LayerMapper, static: StaticScores, pairs: list[PromptPair], templates: list[str]
) -> dict[str, Any]:
    """A relation's heads, their static scores, their dynamic scores in each prompt, and the row of the table.

    The row is None when a prompt can take none of the pairs.
    """
    part: dict[str, Any] = {
        "relation": static.usable.relation.name,
        "pairs": len(pairs),
        "heads": [list(head) for head in static_scores.selected_heads(work)],
        "score": static.score,
        "suppression": static.suppression,
        "row": None,
    }
    layers = select_layers(work.settings, work.model.shape)
    dynamic = dynamic_scores(hooked_model, pairs, static.usable.k, templates, layers)
    if dynamic is None:
        return part
    correlations = correlations_by_kind(static, dynamic)
    undefined = {kind: each.reason for kind, each in correlations.items() if each.value is None}
    row = {
        **{"relation": part["relation"], "pairs": len(pairs), "k": static.usable.k},
        **{kind: each.value for kind, each in correlations.items()},
        **{"max_score": max(static.score), "max_suppression": max(static.suppression)},
        **{f"{kind}_p": each.p_value for kind, each in correlations.items()},
    }
    return {**part, **dynamic.scores, "unread": dynamic.unread_pairs, "undefined": undefined, "row": row}


def evaluate_multi_token(run: ExperimentRun, prompts: str = "paper") -> Result:
    """Correlates static scores with the dynamic scores of sources of two or more tokens; writes `multi_token.csv`.

    The static scores come from the relation's single-token pairs, so a relation needs enough pairs of both kinds.
    """
    return run_correlation("multi_token", long_pairs, multi_token_part, run, prompts)


def long_pairs(work: LayerMapper) -> tuple[PairsByRelation, list[LeftOutRelation]]:
    """The multi-token pairs of each relation with enough pairs of both kinds, and the others with the reason."""
    enough, left = static_scores.relations_with_enough_pairs(work)
    left = [each._replace(reason=f"single-token sources: {each.reason}") for each in left]
    minimum, selected = work.settings.min_pairs, {}
    for usable in enough:
        name, pairs = usable.relation.name, multi_token_pairs(work.model, usable.relation)
        if len(pairs) >= minimum:
            selected[name] = pairs
        else:
            reason = static_scores.too_few_reason(len(pairs), minimum)
            left.append(LeftOutRelation(name, len(pairs), f"longer sources: {reason}"))
    return selected, left


def multi_token_part(
    hooked_model: HookedModel, work: LayerMapper, static: StaticScores, pairs: list[PromptPair], templates: list[str]
) -> dict[str, Any]:
    """The part of the longer sources, with the part of the single-token sources in `single` and in the row."""
    part = relation_part(hooked_model, work, static, pairs, templates)
    single = relation_part(hooked_model, work, static, single_token_pairs(work.model, static.usable), templates)
    if part["row"] is not None:
        row = single["row"] or dict.fromkeys(SINGLE_COLUMNS)
        part["row"] |= {f"single_{name}": row[name] for name in SINGLE_COLUMNS}
    return part | {"single": single}
