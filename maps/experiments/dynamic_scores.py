"""Dynamic scores: the share of a relation's targets that heads promote while the model runs (paper, section 4.2).

A pair is a hit of a head if its target is among the k highest entries of z W_O U at the last position of the prompt
(score), or among the k lowest (suppression). With context, z is what attention computes; without context, it is the
value of the subject's last token alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from maps.experiments.hooked_model import HeadReads, HookedModel, concatenate_reads
from maps.experiments.pearson import PearsonCorrelation, pearson
from maps.experiments.prompts import FilledPrompts, PromptPair
from maps.experiments.results import CORRELATION_KINDS
from maps.experiments.static_scores import StaticScores
from maps.heads.parallel import map_in_threads
from maps.heads.relation_scores import find_hits
from maps.heads.unembedding import Unembedding


class DynamicScores(NamedTuple):
    """Scores in [0, 1] by kind (CORRELATION_KINDS), prompt and head, and the pairs that do not fit each prompt."""

    scores: dict[str, list[list[float]]]
    unread_pairs: list[int]


def dynamic_scores(
    hooked_model: HookedModel, pairs: Sequence[PromptPair], k: int, templates: Sequence[str], layers: Sequence[int]
) -> DynamicScores | None:
    """Runs the model on every pair in every prompt; None when a prompt can take none of the pairs."""
    scores: dict[str, list[list[float]]] = {kind: [] for kind in CORRELATION_KINDS}
    unread = []
    for template in templates:
        prompts = FilledPrompts.from_template(hooked_model, template, [pair.source for pair in pairs])
        if not prompts.prompts:
            return None
        for kind, head_scores in scores_in_prompt(hooked_model, prompts, pairs, k, layers).items():
            scores[kind].append(head_scores)
        unread.append(prompts.unread_pairs)
    return DynamicScores(scores, unread)


def scores_in_prompt(
    hooked_model: HookedModel, prompts: FilledPrompts, pairs: Sequence[PromptPair], k: int, layers: Sequence[int]
) -> dict[str, list[float]]:
    """The scores of all heads in one prompt, by kind; the layers are computed in threads."""
    batches = list(prompts.batches(hooked_model.model.device))
    reads = concatenate_reads([hooked_model.read_heads(batch.ids, batch.subject_ends) for batch in batches])
    targets = torch.tensor([pair.target for pair in pairs], device=hooked_model.model.device)
    targets = targets[torch.cat([batch.pair_indices for batch in batches])]
    unembedding = hooked_model.model.unembedding  # computed here, before the threads need it

    def layer_scores(layer: int) -> Tensor:
        layer_reads = HeadReads(reads.with_context[layer], reads.without_context[layer])
        return scores_of_layer(hooked_model.output_weights(layer), layer_reads, targets, k, unembedding)

    scores = torch.cat(list(map_in_threads(layer_scores, layers)), 1)  # (kinds, heads)
    return dict(zip(CORRELATION_KINDS, scores.tolist(), strict=True))


def scores_of_layer(outputs: Tensor, reads: HeadReads, targets: Tensor, k: int, unembedding: Unembedding) -> Tensor:
    """The shares of hits of one layer's heads, (kinds, H); `reads` are this layer's, without the dimension L."""
    n, group_size = len(targets), len(outputs) // reads.without_context.shape[1]
    without_context = reads.without_context.repeat_interleave(group_size, 1)  # (n, H, d_h)
    both = torch.cat([without_context, reads.with_context]).double()  # (2n, H, d_h)
    twice = targets.repeat(2)
    hits = find_hits(both, outputs, twice, torch.full_like(twice, k), unembedding)  # top and bottom: (H, 2n)
    counts = torch.stack([side.unflatten(1, (2, n)).sum(2) for side in hits])  # (sides, H, contexts)
    return (counts.double() / n).permute(0, 2, 1).flatten(0, 1)  # (sides × contexts, H), in the order of the kinds


def correlations_by_kind(static: StaticScores, dynamic: DynamicScores) -> dict[str, PearsonCorrelation]:
    """Pearson's r of static and dynamic scores over all heads, by kind; the heads of several prompts are pooled."""
    correlations = {}
    for kind in CORRELATION_KINDS:
        own = static.suppression if kind.startswith("suppression") else static.score
        prompts = dynamic.scores[kind]
        correlations[kind] = pearson(own * len(prompts), [score for prompt in prompts for score in prompt])
    return correlations
