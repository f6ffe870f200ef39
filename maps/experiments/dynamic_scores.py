"""Dynamic scores: what share of a relation's targets heads promote while the model runs (paper, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from maps.atlas.schema import Row
from maps.experiments.hooked_model import HeadReads, HookedModel
from maps.experiments.pearson import PearsonCorrelation, pearson
from maps.experiments.prompts import FilledPrompts, PromptPair
from maps.experiments.results import CORRELATION_KINDS
from maps.experiments.static_scores import StaticScores
from maps.heads.parallel import map_in_threads
from maps.heads.relation_scores import find_hits
from maps.heads.unembedding import Unembedding


class DynamicScores(NamedTuple):
    """Scores in [0, 1] of the heads that are looked at, by kind (KINDS), for each prompt; `unread_pairs` counts pairs."""

    scores: dict[str, list[list[float]]]
    unread_pairs: list[int]


def dynamic_scores(
    hooked_model: HookedModel, pairs: Sequence[PromptPair], k: int, templates: Sequence[str], layers: Sequence[int]
) -> DynamicScores | None:
    """Runs the model on every pair in every sentence; None where a sentence can take none of them."""
    scores: dict[str, list[list[float]]] = {kind: [] for kind in CORRELATION_KINDS}
    unread = []
    for template in templates:
        prompts = FilledPrompts.from_template(hooked_model, template, [pair.source for pair in pairs])
        if not prompts.prompts:
            return None
        for kind, found in scores_in_prompt(hooked_model, prompts, pairs, k, layers).items():
            scores[kind].append(found)
        unread.append(prompts.unread_pairs)
    return DynamicScores(scores, unread)


def scores_in_prompt(
    hooked_model: HookedModel, prompts: FilledPrompts, pairs: Sequence[PromptPair], k: int, layers: Sequence[int]
) -> dict[str, list[float]]:
    """The scores of one sentence; layers side by side, a thread each."""
    batches = list(prompts.batches(hooked_model.model.device))
    read = [hooked_model.read_heads(batch.ids, batch.subject_ends) for batch in batches]
    every = HeadReads(*(torch.cat(parts, 1) for parts in zip(*read, strict=True)))
    targets = torch.tensor([pair.target for pair in pairs], device=hooked_model.model.device)
    targets = targets[torch.cat([batch.pair_indices for batch in batches])]
    columns = hooked_model.model.unembedding  # made once, before threads ask for it

    def of_layer(layer: int) -> Tensor:
        return dynamic_layer_scores(
            hooked_model.output_weights(layer), HeadReads(*(each[layer] for each in every)), targets, k, columns
        )

    found = torch.cat(list(map_in_threads(of_layer, layers)), 1)
    return dict(zip(CORRELATION_KINDS, found.tolist(), strict=True))


def dynamic_layer_scores(outputs: Tensor, read: HeadReads, targets: Tensor, k: int, columns: Unembedding) -> Tensor:
    """The shares of hits of one layer's heads, what they read being of this layer alone: (kinds, H)."""
    n = len(targets)
    alone = read.without_context.repeat_interleave(len(outputs) // read.without_context.shape[1], 1)
    both = torch.cat([alone, read.with_context]).double()  # (2n, H, d_h)
    twice = targets.repeat(2)
    found = find_hits(both, outputs, twice, torch.full_like(twice, k), columns)
    counts = torch.stack([side.unflatten(1, (2, n)).sum(2) for side in (found.top, found.bottom)])  # (sides, H, 2)
    return (counts.double() / n).permute(0, 2, 1).flatten(0, 1)


def correlations_by_kind(static: StaticScores, dynamic: DynamicScores) -> dict[str, PearsonCorrelation]:
    """Pearson's r of static and dynamic scores over all heads, by kind; the points of several prompts are pooled."""
    found = {}
    for kind in CORRELATION_KINDS:
        own = static.suppression if kind.startswith("suppression") else static.score
        prompts = dynamic.scores[kind]
        found[kind] = pearson(own * len(prompts), [score for each in prompts for score in each])
    return found


def correlation_row(static: StaticScores, pairs: int, correlations: dict[str, PearsonCorrelation]) -> Row:
    """A row of `correlation.csv`."""
    return {
        "relation": static.usable.relation.name,
        "pairs": pairs,
        "k": static.usable.k,
        **{kind: each.value for kind, each in correlations.items()},
        "max_score": max(static.score),
        "max_suppression": max(static.suppression),
        **{f"{kind}_p": each.p_value for kind, each in correlations.items()},
    }
