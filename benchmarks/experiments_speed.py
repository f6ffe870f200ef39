"""How fast the experiments run against the plain way, on some relations of the bundled model, in one process.

The plain way: one whole pass of the model with hooks for each condition, over all prompts at once, its logits as the
model gives them; and every head's output projected to the whole vocabulary and sorted. Run from the project's root on a
quiet machine: `.venv/bin/python -m benchmarks.experiments_speed` (`--quick`: fewer pairs, nothing kept). Weights are
loaded before any clock runs. Of a removal the plain way is timed on some conditions and counted for all. Kept in
benchmarks/results/experiments_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from maps.data import named
from maps.experiments.causal import DRAWS, Task, curves, tasks_of
from maps.experiments.dynamic_scores import dynamic_scores
from maps.experiments.hooked_model import Running
from maps.experiments.prompts import Prompts, Spoken, single
from maps.experiments.results import KINDS
from maps.experiments.static_scores import heads_of
from maps.experiments.task_prompts import PAPERS_PROMPT, TASKS
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import Work
from maps.mapping.model import Model
from maps.mapping.settings import Settings
from maps.types import HeadId

RESULTS = Path(__file__).parent / "results" / "experiments_speed.json"
CORRELATED = ("country_to_capital", "country_to_language")
REMOVED = ("country_to_capital", "word_to_first_letter", "noun_to_pronoun", "verb_to_past_tense")
MOST = 64  # pairs of a task
CONDITIONS = 3  # that the plain way is timed on


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call, and what it gave."""
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


def encoded(running: Running, template: str, pairs: Sequence[Spoken]) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Prompts of each length with the places of their subjects and their targets."""
    targets = torch.tensor([pair.target for pair in pairs])
    batches = Prompts.of(running, template, [pair.source for pair in pairs]).batches(running.model.device)
    return [(batch.ids, batch.subjects, targets[batch.pairs]) for batch in batches]


def plain_dynamic(running: Running, pairs: Sequence[Spoken], k: int) -> dict[str, list[float]]:
    """Dynamic scores: a pass with and one without context, all heads projected to all tokens, the k best sorted out."""
    unembedding = running.network.get_output_embeddings().weight.detach()[: running.model.vocabulary.size].T
    shape = running.model.shape
    hits = torch.zeros(len(KINDS), shape.layers, shape.heads)
    for ids, subjects, targets in encoded(running, PAPERS_PROMPT, pairs):
        context = plain_pass(running, ids, None)
        alone = plain_pass(running, ids, subjects)
        for layer in range(shape.layers):
            outputs = running.outputs(layer).float()
            for place, read in ((0, alone), (1, context)):
                hits[place::2, layer] += plain_hits(read[layer], outputs, unembedding, targets, k)
    return dict(zip(KINDS, (hits / len(pairs)).flatten(1).tolist(), strict=True))


def plain_hits(read: Tensor, outputs: Tensor, unembedding: Tensor, targets: Tensor, k: int) -> Tensor:
    """How many targets are among the k highest, and the k lowest, of all tokens under each head: (2, H)."""
    found = torch.zeros(2, len(outputs))
    for head, written in enumerate(torch.einsum("nhi,hid->hnd", read, outputs)):
        scores = written @ unembedding
        for side in (0, 1):
            best = scores.topk(k, dim=1, largest=side == 0).indices
            found[side, head] = (best == targets[:, None]).sum()
    return found


def plain_pass(running: Running, ids: Tensor, subjects: Tensor | None) -> Tensor:
    """What heads read at the last position in a pass of its own, (L, n, H, d_h); without context where subjects are."""
    cache = running.begun(ids, 0)[1]
    shape, rows = running.model.shape, torch.arange(len(ids))
    with running.tapped() as taken, torch.no_grad():
        running.network(input_ids=ids, past_key_values=cache, use_cache=True)
    if subjects is None:
        return torch.stack(taken).unflatten(2, (shape.heads, -1))
    values = torch.stack([held.values[rows, :, subjects] for held in cache.layers])
    return values.repeat_interleave(shape.heads // shape.kv_heads, 2)


def plain_accuracy(running: Running, batches: Sequence[tuple[Tensor, Tensor, Tensor]], heads: list[HeadId]) -> float:
    """A task's accuracy in one whole pass in which these heads give nothing at the last position."""

    def without(layer: int) -> Callable[..., tuple[Tensor]]:
        removed = [head for at, head in heads if at == layer]

        def hook(_module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor]:
            z = given[0].clone()
            z[:, -1].unflatten(1, (running.model.shape.heads, -1))[:, removed] = 0
            return (z,)

        return hook

    hooks = [
        each.register_forward_pre_hook(without(layer))
        for layer, each in enumerate(running.projections)
        if any(head.layer == layer for head in heads)
    ]
    right, n = 0, 0
    with torch.no_grad():
        for ids, _, targets in batches:
            right += int((running.network(input_ids=ids).logits[:, -1].argmax(1) == targets).sum())
            n += len(targets)
    for hook in hooks:
        hook.remove()
    return right / n


def correlation(running: Running, work: Work, names: Sequence[str], most: int) -> dict[str, Any]:
    """Dynamic scores of some relations, both ways."""
    chosen = [usable for usable in work.pairs.relations if usable.relation.name in names]
    return with_total({usable.relation.name: correlated(running, work, usable, most) for usable in chosen})


def correlated(running: Running, work: Work, usable: UsableRelation, most: int) -> dict[str, float]:
    """One relation's."""
    pairs, layers = single(work.model, usable)[:most], list(range(work.model.shape.layers))
    ours, found = timed(lambda: dynamic_scores(running, pairs, usable.k, [PAPERS_PROMPT], layers))
    plain, others = timed(lambda: plain_dynamic(running, pairs, usable.k))
    apart = max(abs(a - b) for kind in KINDS for a, b in zip(found.scores[kind][0], others[kind], strict=True))
    return {"pairs": len(pairs), "seconds": ours, "plain": plain, "ratio": plain / ours, "apart": apart}


def causal(running: Running, work: Work, names: Sequence[str], most: int) -> dict[str, Any]:
    """Accuracies of some tasks as their heads, and others, are removed, both ways."""
    return with_total({name: removed(running, work, t, most) for name, t in tasks_of(work, list(names)).items()})


def removed(running: Running, work: Work, task: Task, most: int) -> dict[str, float]:
    """One task's."""
    task = task._replace(pairs=task.pairs[:most])
    others = [head for head in heads_of(work) if head not in task.heads]
    drawn = random.Random(0)
    orders = [task.heads, *(drawn.sample(others, len(task.heads)) for _ in range(DRAWS))]
    conditions = 1 + sum(map(len, orders))
    ours, curve = timed(lambda: curves(running, task, orders))
    batches = encoded(running, TASKS[task.name], task.pairs)
    some = [len(task.heads) * i // (CONDITIONS - 1) for i in range(CONDITIONS)]
    plain, accuracies = timed(lambda: [plain_accuracy(running, batches, task.heads[:i]) for i in some])
    whole = plain / len(some) * conditions
    apart = max(abs(curve[0][i] - each) for i, each in zip(some, accuracies, strict=True))
    found = {"pairs": len(task.pairs), "conditions": conditions, "tokens": batches[0][0].shape[1]}
    return {**found, "seconds": ours, "plain": whole, "ratio": whole / ours, "apart": apart}


def with_total(found: dict[str, Any]) -> dict[str, Any]:
    """The same with the sums and their ratio."""
    seconds, plain = (sum(each[kind] for each in found.values()) for kind in ("seconds", "plain"))
    return {"relations": found, "seconds": seconds, "plain": plain, "ratio": plain / seconds}


def main() -> None:
    """Measures and keeps what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few pairs of one relation each, nothing is kept")
    quick = parser.parse_args().quick
    load = os.getloadavg()[0]
    work = Work.prepare(Model.open("smollm2"), Settings(named(sorted({*CORRELATED, *REMOVED}))))
    running, most = Running.open(work.model), 8 if quick else MOST
    dynamic_scores(running, [Spoken("France", 1)], 1, [PAPERS_PROMPT], [0])  # what is made once is made before
    found = {
        "correlation": correlation(
            running, work, CORRELATED[:1] if quick else CORRELATED, 10**6 if not quick else most
        ),
        "causal": causal(running, work, REMOVED[:1] if quick else REMOVED, most),
        "threads": torch.get_num_threads(),
        "load_before": round(load, 1),
    }
    if not quick:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
