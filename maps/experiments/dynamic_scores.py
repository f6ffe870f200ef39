"""Dynamic scores: what share of a relation's targets heads promote while the model runs (paper, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from maps.atlas.schema import Row
from maps.experiments.hooked_model import Read, Running
from maps.experiments.pearson import Correlation, pearson
from maps.experiments.prompts import Prompts, Spoken
from maps.experiments.results import KINDS
from maps.experiments.static_scores import Static
from maps.heads.parallel import each_alone
from maps.heads.relation_scores import hits_of_read
from maps.heads.unembedding import Columns


class Dynamic(NamedTuple):
    """Scores in [0, 1] of the heads that are looked at, by kind (KINDS), for each prompt; `unread` counts pairs."""

    scores: dict[str, list[list[float]]]
    unread: list[int]


def dynamic_scores(
    running: Running, pairs: Sequence[Spoken], k: int, templates: Sequence[str], layers: Sequence[int]
) -> Dynamic | None:
    """Runs the model on every pair in every sentence; None where a sentence can take none of them."""
    scores: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    unread = []
    for template in templates:
        prompts = Prompts.of(running, template, [pair.source for pair in pairs])
        if not prompts.prompts:
            return None
        for kind, found in in_prompt(running, prompts, pairs, k, layers).items():
            scores[kind].append(found)
        unread.append(prompts.unread)
    return Dynamic(scores, unread)


def in_prompt(
    running: Running, prompts: Prompts, pairs: Sequence[Spoken], k: int, layers: Sequence[int]
) -> dict[str, list[float]]:
    """The scores of one sentence; layers side by side, a thread each."""
    batches = list(prompts.batches(running.model.device))
    read = [running.read(batch.ids, batch.subjects) for batch in batches]
    every = Read(*(torch.cat(parts, 1) for parts in zip(*read, strict=True)))
    targets = torch.tensor([pair.target for pair in pairs], device=running.model.device)
    targets = targets[torch.cat([batch.pairs for batch in batches])]
    columns = running.model.columns  # made once, before threads ask for it

    def of_layer(layer: int) -> Tensor:
        return scores_of_layer(running.outputs(layer), Read(*(each[layer] for each in every)), targets, k, columns)

    found = torch.cat(list(each_alone(of_layer, layers)), 1)
    return dict(zip(KINDS, found.tolist(), strict=True))


def scores_of_layer(outputs: Tensor, read: Read, targets: Tensor, k: int, columns: Columns) -> Tensor:
    """The shares of hits of one layer's heads, what they read being of this layer alone: (kinds, H)."""
    n = len(targets)
    alone = read.without_context.repeat_interleave(len(outputs) // read.without_context.shape[1], 1)
    both = torch.cat([alone, read.with_context]).double()  # (2n, H, d_h)
    twice = targets.repeat(2)
    found = hits_of_read(both, outputs, twice, torch.full_like(twice, k), columns)
    counts = torch.stack([side.unflatten(1, (2, n)).sum(2) for side in (found.top, found.bottom)])  # (sides, H, 2)
    return (counts.double() / n).permute(0, 2, 1).flatten(0, 1)


def correlations(static: Static, dynamic: Dynamic) -> dict[str, Correlation]:
    """Pearson's r of static and dynamic scores over all heads, by kind; the points of several prompts are pooled."""
    found = {}
    for kind in KINDS:
        own = static.suppression if kind.startswith("suppression") else static.score
        prompts = dynamic.scores[kind]
        found[kind] = pearson(own * len(prompts), [score for each in prompts for score in each])
    return found


def row_of(static: Static, pairs: int, found: dict[str, Correlation]) -> Row:
    """A row of `correlation.csv`."""
    return {
        "relation": static.usable.relation.name,
        "pairs": pairs,
        "k": static.usable.k,
        **{kind: each.value for kind, each in found.items()},
        "max_score": max(static.score),
        "max_suppression": max(static.suppression),
        **{f"{kind}_p": each.p for kind, each in found.items()},
    }
