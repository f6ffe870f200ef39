"""What happens to a relation's task when the heads that implement the relation are removed (paper, section 4.3).

Accuracy is the share of the task's prompts after which the model's next token is the target. The relation's heads are
removed one after the other, highest φ first, at the last position only. There are two comparisons: as many random other
heads are removed, and the same heads are removed in other tasks of similar accuracy ("controls").
"""

from __future__ import annotations

import random
from itertools import islice
from statistics import fmean, pstdev
from typing import Any, NamedTuple

import torch

from maps.atlas.schema import Row
from maps.experiments import static_scores
from maps.experiments.ablation import LastPosition
from maps.experiments.hooked_model import MAX_BATCH_TOKENS, HookedModel
from maps.experiments.prompts import FilledPrompts, PromptPair, single_token_pairs
from maps.experiments.results import ExperimentRun, LeftOutRelation, Result, experiment_parts
from maps.experiments.task_prompts import TASK_PROMPTS
from maps.files.run_folder import RunFolder
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import LayerMapper
from maps.types import HeadId

REMOVAL_LIMITS = ((300, 30), (500, 50), (1000, 100), (1500, 150))  # (heads of the model, heads removed): below, at most
HIGHEST_REMOVAL_LIMIT = 250  # heads removed at most in larger models
RANDOM_DRAWS = 5
MAX_CONTROL_TASKS = 5
CONTROL_OVERLAP_LIMIT = 0.15  # a control shares less than this share of the relation's heads
MAX_BASE_ACCURACY_GAP = 0.2  # between a task and its control
MIN_BASE_ACCURACY = 0.1  # a relation with a lower one is left out
BASE_ACCURACIES_PART = "base accuracies"

AccuracyCurve = list[float]  # accuracies with no head removed, one, two, …


class RelationTask(NamedTuple):
    """A relation's static scores, the pairs that fill its prompt, and the heads to remove, strongest first."""

    static: static_scores.StaticScores
    pairs: list[PromptPair]
    heads: list[HeadId]
    head_scores: list[float]

    @property
    def name(self) -> str:
        return self.static.usable.relation.name


class RemovalPlan(NamedTuple):
    """All tasks with their base accuracies; the random heads and the control tasks of each task that counts."""

    tasks: dict[str, RelationTask]
    base_accuracies: dict[str, float]
    random_draws: dict[str, list[list[HeadId]]]
    control_tasks: dict[str, list[str]]


def evaluate_causal(run: ExperimentRun, seed: int = 0) -> Result:
    """Removes heads from the last position of every task's prompts and writes `causal.csv`; continues a stopped run.

    `seed` draws the random heads and the controls. Raises MapsError when `out` holds a run or an atlas with other
    settings.
    """
    work, asked = static_scores.prepare_run(run, {"seed": seed, "tasks": TASK_PROMPTS})
    parts = experiment_parts(run.out, "causal")
    with parts.begin("evaluate", asked):
        finished = Result.find(run.out, "causal")
        if finished is not None:
            return finished
        enough, left = static_scores.relations_with_enough_pairs(work)
        left += [LeftOutRelation(x.relation.name, len(x.sources), "no task prompt") for x in enough if not has_task(x)]
        tasks = tasks_by_relation(work, [x.relation.name for x in enough if has_task(x)])
        hooked_model = HookedModel.open(work.model)
        if not parts.has(BASE_ACCURACIES_PART):
            bases = {name: accuracy_curves(hooked_model, task, [[]])[0][0] for name, task in tasks.items()}
            parts.store(BASE_ACCURACIES_PART, bases)  # with no head removed
        plan = plan_removals(tasks, parts.read(BASE_ACCURACIES_PART), static_scores.selected_heads(work), seed)
        parts.compute_missing(list(tasks), lambda name: measure_task(hooked_model, plan, name), run.progress)
        rows, further_left = causal_rows(parts, plan)
        return Result("causal", run.out, asked, rows, left + further_left).write()


def has_task(usable: UsableRelation) -> bool:
    """Whether a relation has a task prompt. A user's own relation (without a category) has none, whatever its name."""
    return usable.relation.category != "" and usable.relation.name in TASK_PROMPTS


def removal_limit(heads: int) -> int:
    return next((most for below, most in REMOVAL_LIMITS if heads < below), HIGHEST_REMOVAL_LIMIT)


def tasks_by_relation(work: LayerMapper, names: list[str]) -> dict[str, RelationTask]:
    """The tasks of these relations. Heads have φ > 0, highest first; equal scores are ordered by layer and head."""
    heads, shape = static_scores.selected_heads(work), work.model.shape
    tasks = {}
    for static in static_scores.static_scores(work):
        if static.usable.relation.name in names:
            ranked = sorted((-score, head) for score, head in zip(static.score, heads, strict=True) if score > 0)
            ranked = ranked[: removal_limit(shape.layers * shape.heads)]
            pairs, scores = single_token_pairs(work.model, static.usable), [-score for score, _ in ranked]
            tasks[static.usable.relation.name] = RelationTask(static, pairs, [head for _, head in ranked], scores)
    return tasks


def accuracy_curves(hooked_model: HookedModel, task: RelationTask, orders: list[list[HeadId]]) -> list[AccuracyCurve]:
    """A task's accuracy while heads are removed, one curve for each order of heads."""
    shape, device = hooked_model.model.shape, hooked_model.model.device
    targets = torch.tensor([pair.target for pair in task.pairs], device=device)
    correct = [torch.zeros(len(order) + 1, dtype=torch.long, device=device) for order in orders]
    sources = [pair.source for pair in task.pairs]
    prompts = FilledPrompts.for_last_position(hooked_model, TASK_PROMPTS[task.name], sources)
    for batch in prompts.batches(device):
        step = max(1, MAX_BATCH_TOKENS // max(batch.ids.shape[1], removal_limit(shape.layers * shape.heads) + 1))
        for pairs, ids in zip(batch.pair_indices.split(step), batch.ids.split(step), strict=True):
            last = LastPosition.prepare(hooked_model, ids)
            for counts, order in zip(correct, orders, strict=True):
                counts += last.is_correct_after_removals(order, targets[pairs]).sum(1)
    return [[count / len(task.pairs) for count in counts.tolist()] for counts in correct]


def plan_removals(
    tasks: dict[str, RelationTask], bases: dict[str, float], heads: list[HeadId], seed: int
) -> RemovalPlan:
    """Draws random heads and control tasks for each task with heads that the model can do at all."""
    draws, controls = {}, {}
    for name, task in tasks.items():
        if task.heads and bases[name] >= MIN_BASE_ACCURACY:
            generator, own = random.Random(f"{seed} {name}"), set(task.heads)
            others = [head for head in heads if head not in own]
            count = min(len(own), len(others))
            draws[name] = [generator.sample(others, count) for _ in range(RANDOM_DRAWS)]
            candidates = [other for other in tasks if other != name and is_control(task, tasks[other], bases)]
            generator.shuffle(candidates)
            controls[name] = candidates[:MAX_CONTROL_TASKS]
    return RemovalPlan(tasks, bases, draws, controls)


def is_control(task: RelationTask, other: RelationTask, bases: dict[str, float]) -> bool:
    """Whether another task has other heads and a similar base accuracy (paper, section 4.3)."""
    shared = set(task.heads) & set(other.heads[: len(task.heads)])
    return (
        len(shared) / len(task.heads) < CONTROL_OVERLAP_LIMIT
        and abs(bases[task.name] - bases[other.name]) <= MAX_BASE_ACCURACY_GAP
    )


def measure_task(hooked_model: HookedModel, plan: RemovalPlan, name: str) -> dict[str, Any]:
    """A task's part: its accuracy without its own heads, random heads, and the heads of each task that it controls."""
    task, draws = plan.tasks[name], plan.random_draws.get(name, [])
    own_heads = [task.heads] if draws else []  # measured only for a task that counts
    controlled = [other for other, controls in plan.control_tasks.items() if name in controls]
    orders = [*own_heads, *draws, *(plan.tasks[other].heads for other in controlled)]
    curves = iter(accuracy_curves(hooked_model, task, orders))
    return {
        "relation": name,
        "prompt": TASK_PROMPTS[name],
        "pairs": len(task.pairs),
        "base": plan.base_accuracies[name],
        "heads": [str(head) for head in task.heads],
        "scores": task.head_scores,
        "relation_heads": next(curves) if own_heads else None,
        "random_heads": list(islice(curves, len(draws))),
        "drawn": [[str(head) for head in draw] for draw in draws],
        "as_control": dict(zip(controlled, curves, strict=True)),
    }


def causal_rows(parts: RunFolder, plan: RemovalPlan) -> tuple[list[Row], list[LeftOutRelation]]:
    """The rows, and the relations without heads or with a task that the model cannot do; stores control curves."""
    details, rows, left = {name: parts.read(name) for name in plan.tasks}, [], []
    for name, task in plan.tasks.items():
        if not task.heads:
            left.append(LeftOutRelation(name, len(task.pairs), "no head scores above 0"))
        elif name not in plan.random_draws:
            reason = f"base accuracy {plan.base_accuracies[name]:.2f}, under {MIN_BASE_ACCURACY}"
            left.append(LeftOutRelation(name, len(task.pairs), reason))
        else:
            controls = {other: details[other]["as_control"][name] for other in plan.control_tasks[name]}
            parts.store(name, details[name] | {"controls": controls})
            rows.append(causal_row(details[name], controls))
    return rows, left


def causal_row(part: dict[str, Any], controls: dict[str, AccuracyCurve]) -> Row:
    """A row of `causal.csv`: all accuracies after as many removals as first bring the task's own to 0, or after all."""
    own: AccuracyCurve = part["relation_heads"]
    removed = own.index(0.0) if 0.0 in own else len(own) - 1
    random_after = [curve[removed] for curve in part["random_heads"] if len(curve) > removed]
    before = [curve[0] for curve in controls.values()]
    after = [curve[removed] for curve in controls.values()]
    return {
        "relation": part["relation"],
        "heads_removed": removed,
        "base": own[0],
        "relation_heads_removed": own[removed],
        "random_heads_removed": fmean(random_after) if random_after else None,
        "random_sd": pstdev(random_after) if random_after else None,
        "control_tasks": len(controls),
        "control_base": fmean(before) if before else None,
        "control_relation_heads_removed": fmean(after) if after else None,
        "control_base_sd": pstdev(before) if before else None,
        "control_sd": pstdev(after) if after else None,
        "pairs": part["pairs"],
    }
