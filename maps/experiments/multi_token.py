"""The same correlation for sources of several tokens, compared with single-token sources (paper, section 4.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maps.experiments.correlation import PairsByRelation, relation_part, run_correlation
from maps.experiments.hooked_model import HookedModel
from maps.experiments.prompts import PromptPair, multi_token_pairs, single_token_pairs
from maps.experiments.results import CORRELATION_KINDS, P_VALUE_COLUMNS, LeftOutRelation, Result
from maps.experiments.static_scores import StaticScores, relations_with_enough_pairs, too_few_reason
from maps.mapping.mapper import LayerMapper
from maps.mapping.settings import MappingSettings
from maps.types import Progress, no_progress_bar

SINGLE_COLUMNS = ("pairs", *CORRELATION_KINDS, *P_VALUE_COLUMNS)  # repeated as `single_…`


def evaluate_multi_token(
    model: str,
    out: Path,
    settings: MappingSettings,
    prompts: str = "paper",
    device: str = "cpu",
    progress: Progress[str] = no_progress_bar,
) -> Result:
    """Correlates static scores with the dynamic scores of sources of two or more tokens; writes `multi_token.csv`.

    The static scores come from the relation's single-token pairs, so a relation needs enough pairs of both kinds.
    """
    return run_correlation("multi_token", long_pairs, multi_token_part, model, out, settings, prompts, device, progress)


def long_pairs(work: LayerMapper) -> tuple[PairsByRelation, list[LeftOutRelation]]:
    """The multi-token pairs of each relation with enough pairs of both kinds, and the others with the reason."""
    enough, left = relations_with_enough_pairs(work)
    left = [each._replace(reason=f"single-token sources: {each.reason}") for each in left]
    minimum, selected = work.settings.min_pairs, {}
    for usable in enough:
        name, pairs = usable.relation.name, multi_token_pairs(work.model, usable.relation)
        if len(pairs) >= minimum:
            selected[name] = pairs
        else:
            left.append(LeftOutRelation(name, len(pairs), f"longer sources: {too_few_reason(len(pairs), minimum)}"))
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
