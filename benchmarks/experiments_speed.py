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

from maps.data import select_relations
from maps.experiments.causal import RANDOM_DRAWS, RelationTask, accuracy_curves, tasks_by_relation
from maps.experiments.dynamic_scores import dynamic_scores
from maps.experiments.hooked_model import HookedModel
from maps.experiments.prompts import FilledPrompts, PromptPair, single_token_pairs
from maps.experiments.results import CORRELATION_KINDS
from maps.experiments.static_scores import selected_heads
from maps.experiments.task_prompts import PAPER_PROMPT, TASK_PROMPTS
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import LayerMapper
from maps.mapping.model import Model
from maps.mapping.settings import MappingSettings
from maps.types import HeadId

RESULTS = Path(__file__).parent / "results" / "experiments_speed.json"
CORRELATION_RELATIONS = ("country_to_capital", "country_to_language")
CAUSAL_RELATIONS = ("country_to_capital", "word_to_first_letter", "noun_to_pronoun", "verb_to_past_tense")
MAX_PAIRS = 64  # pairs of a task
TIMED_CONDITIONS = 3  # that the plain way is timed on


def seconds_and_result(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


def encode_prompts(
    hooked_model: HookedModel, template: str, pairs: Sequence[PromptPair]
) -> list[tuple[Tensor, Tensor, Tensor]]:
    targets = torch.tensor([pair.target for pair in pairs])
    batches = FilledPrompts.from_template(hooked_model, template, [pair.source for pair in pairs]).batches(
        hooked_model.model.device
    )
    return [(batch.ids, batch.subject_ends, targets[batch.pair_indices]) for batch in batches]


def plain_dynamic_scores(hooked_model: HookedModel, pairs: Sequence[PromptPair], k: int) -> dict[str, list[float]]:
    """Dynamic scores: a pass with and one without context, all heads projected to all tokens, the k best sorted out."""
    unembedding = hooked_model.network.get_output_embeddings().weight.detach()[: hooked_model.model.vocabulary.size].T
    shape = hooked_model.model.shape
    hits = torch.zeros(len(CORRELATION_KINDS), shape.layers, shape.heads)
    for ids, subjects, targets in encode_prompts(hooked_model, PAPER_PROMPT, pairs):
        context = plain_head_reads(hooked_model, ids, None)
        alone = plain_head_reads(hooked_model, ids, subjects)
        for layer in range(shape.layers):
            outputs = hooked_model.output_weights(layer).float()
            for place, read in ((0, alone), (1, context)):
                hits[place::2, layer] += plain_hits(read[layer], outputs, unembedding, targets, k)
    return dict(zip(CORRELATION_KINDS, (hits / len(pairs)).flatten(1).tolist(), strict=True))


def plain_hits(read: Tensor, outputs: Tensor, unembedding: Tensor, targets: Tensor, k: int) -> Tensor:
    """How many targets are among the k highest, and the k lowest, of all tokens under each head: (2, H)."""
    found = torch.zeros(2, len(outputs))
    for head, written in enumerate(torch.einsum("nhi,hid->hnd", read, outputs)):
        scores = written @ unembedding
        for side in (0, 1):
            best = scores.topk(k, dim=1, largest=side == 0).indices
            found[side, head] = (best == targets[:, None]).sum()
    return found


def plain_head_reads(hooked_model: HookedModel, ids: Tensor, subjects: Tensor | None) -> Tensor:
    """What heads read at the last position in a pass of its own, (L, n, H, d_h); without context where subjects are."""
    cache = hooked_model.compute_shared_prefix(ids, 0)[1]
    shape, rows = hooked_model.model.shape, torch.arange(len(ids))
    with hooked_model.record_head_inputs() as taken, torch.no_grad():
        hooked_model.network(input_ids=ids, past_key_values=cache, use_cache=True)
    if subjects is None:
        return torch.stack(taken).unflatten(2, (shape.heads, -1))
    values = torch.stack([held.values[rows, :, subjects] for held in cache.layers])
    return values.repeat_interleave(shape.heads // shape.kv_heads, 2)


def plain_accuracy(
    hooked_model: HookedModel, batches: Sequence[tuple[Tensor, Tensor, Tensor]], heads: list[HeadId]
) -> float:
    """A task's accuracy in one whole pass in which these heads give nothing at the last position."""

    def without(layer: int) -> Callable[..., tuple[Tensor]]:
        removed = [head for at, head in heads if at == layer]

        def hook(_module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor]:
            z = given[0].clone()
            z[:, -1].unflatten(1, (hooked_model.model.shape.heads, -1))[:, removed] = 0
            return (z,)

        return hook

    hooks = [
        each.register_forward_pre_hook(without(layer))
        for layer, each in enumerate(hooked_model.output_projections)
        if any(head.layer == layer for head in heads)
    ]
    right, n = 0, 0
    with torch.no_grad():
        for ids, _, targets in batches:
            right += int((hooked_model.network(input_ids=ids).logits[:, -1].argmax(1) == targets).sum())
            n += len(targets)
    for hook in hooks:
        hook.remove()
    return right / n


def measure_correlation(
    hooked_model: HookedModel, work: LayerMapper, names: Sequence[str], max_pairs: int
) -> dict[str, Any]:
    chosen = [usable for usable in work.pairs.relations if usable.relation.name in names]
    return with_totals(
        {usable.relation.name: measure_dynamic_scores(hooked_model, work, usable, max_pairs) for usable in chosen}
    )


def measure_dynamic_scores(
    hooked_model: HookedModel, work: LayerMapper, usable: UsableRelation, max_pairs: int
) -> dict[str, float]:
    pairs, layers = single_token_pairs(work.model, usable)[:max_pairs], list(range(work.model.shape.layers))
    ours, found = seconds_and_result(lambda: dynamic_scores(hooked_model, pairs, usable.k, [PAPER_PROMPT], layers))
    plain, others = seconds_and_result(lambda: plain_dynamic_scores(hooked_model, pairs, usable.k))
    apart = max(
        abs(a - b) for kind in CORRELATION_KINDS for a, b in zip(found.scores[kind][0], others[kind], strict=True)
    )
    return {"pairs": len(pairs), "seconds": ours, "plain": plain, "ratio": plain / ours, "apart": apart}


def measure_causal(
    hooked_model: HookedModel, work: LayerMapper, names: Sequence[str], max_pairs: int
) -> dict[str, Any]:
    return with_totals(
        {
            name: measure_removal(hooked_model, work, t, max_pairs)
            for name, t in tasks_by_relation(work, list(names)).items()
        }
    )


def measure_removal(
    hooked_model: HookedModel, work: LayerMapper, task: RelationTask, max_pairs: int
) -> dict[str, float]:
    task = task._replace(pairs=task.pairs[:max_pairs])
    others = [head for head in selected_heads(work) if head not in task.heads]
    drawn = random.Random(0)
    orders = [task.heads, *(drawn.sample(others, len(task.heads)) for _ in range(RANDOM_DRAWS))]
    conditions = 1 + sum(map(len, orders))
    ours, curve = seconds_and_result(lambda: accuracy_curves(hooked_model, task, orders))
    batches = encode_prompts(hooked_model, TASK_PROMPTS[task.name], task.pairs)
    some = [len(task.heads) * i // (TIMED_CONDITIONS - 1) for i in range(TIMED_CONDITIONS)]
    plain, accuracies = seconds_and_result(
        lambda: [plain_accuracy(hooked_model, batches, task.heads[:i]) for i in some]
    )
    whole = plain / len(some) * conditions
    apart = max(abs(curve[0][i] - each) for i, each in zip(some, accuracies, strict=True))
    found = {"pairs": len(task.pairs), "conditions": conditions, "tokens": batches[0][0].shape[1]}
    return {**found, "seconds": ours, "plain": whole, "ratio": whole / ours, "apart": apart}


def with_totals(found: dict[str, Any]) -> dict[str, Any]:
    seconds, plain = (sum(each[kind] for each in found.values()) for kind in ("seconds", "plain"))
    return {"relations": found, "seconds": seconds, "plain": plain, "ratio": plain / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few pairs of one relation each, nothing is kept")
    quick = parser.parse_args().quick
    load = os.getloadavg()[0]
    work = LayerMapper.prepare(
        Model.open("smollm2"), MappingSettings(select_relations(sorted({*CORRELATION_RELATIONS, *CAUSAL_RELATIONS})))
    )
    running, most = HookedModel.open(work.model), 8 if quick else MAX_PAIRS
    dynamic_scores(running, [PromptPair("France", 1)], 1, [PAPER_PROMPT], [0])  # what is made once is made before
    found = {
        "correlation": measure_correlation(
            running, work, CORRELATION_RELATIONS[:1] if quick else CORRELATION_RELATIONS, 10**6 if not quick else most
        ),
        "causal": measure_causal(running, work, CAUSAL_RELATIONS[:1] if quick else CAUSAL_RELATIONS, most),
        "threads": torch.get_num_threads(),
        "load_before": round(load, 1),
    }
    if not quick:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
