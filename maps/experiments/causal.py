"""What becomes of a relation's task when the heads that implement the relation are removed (paper, section 4.3)."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, NamedTuple

import torch

from maps.atlas.schema import Row
from maps.experiments.ablation import LastPosition
from maps.experiments.hooked_model import MAX_BATCH_TOKENS, HookedModel
from maps.experiments.prompts import FilledPrompts, PromptPair, single_token_pairs
from maps.experiments.results import ExperimentRun, LeftOutRelation, Result
from maps.experiments.setup import Progress, no_progress_bar, prepare_run, relations_with_enough_pairs
from maps.experiments.static_scores import StaticScores, selected_heads, static_scores
from maps.experiments.task_prompts import TASK_PROMPTS
from maps.files.lock import lock_folder
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import LayerMapper
from maps.mapping.settings import MappingSettings
from maps.types import HeadId

REMOVAL_LIMITS = (
    (300, 30),
    (500, 50),
    (1000, 100),
    (1500, 150),
)  # heads of a model below which so many are removed at most
HIGHEST_REMOVAL_LIMIT = 250
RANDOM_DRAWS = 5  # of random other heads
MAX_CONTROL_TASKS = 5  # tasks of other relations, at most
CONTROL_OVERLAP_LIMIT = 0.15  # share of a relation's heads that a control's may be, exclusive
MAX_BASE_ACCURACY_GAP = 0.2  # of base accuracies, at most
MIN_BASE_ACCURACY = 0.1  # accuracy under which a relation is left out
BASE_ACCURACIES_PART = "base accuracies"  # the part that holds them

AccuracyCurve = list[float]  # accuracies with no head removed, one, two, …


class RelationTask(NamedTuple):
    """A relation's prompt with the pairs that it is tried on, and the heads that are removed, strongest first."""

    static_scores: StaticScores
    pairs: list[PromptPair]
    heads: list[HeadId]
    head_scores: list[float]

    @property
    def name(self) -> str:
        """The relation's name."""
        return self.static_scores.usable.relation.name


class RemovalPlan(NamedTuple):
    """What is removed where, once the base accuracies are known; seeded draws and controls by relation."""

    tasks: dict[str, RelationTask]
    base_accuracies: dict[str, float]
    random_draws: dict[str, list[list[HeadId]]]
    control_tasks: dict[str, list[str]]


def evaluate_causal(
    model: str,
    out: Path,
    settings: MappingSettings,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = no_progress_bar,
) -> Result:
    """Removes heads from the last position of every task's prompts and writes `causal.csv`.

    Goes on where a run stopped. Raises MapsError where `out` holds a run, or an atlas, of other settings.
    """
    work, run = prepare_run("causal", model, out, settings, device, {"seed": seed, "tasks": TASK_PROMPTS})
    with lock_folder(out, "evaluate"):
        finished = run.finished_result()
        if finished is not None:
            return finished
        kept, left = relations_with_enough_pairs(work)
        left += [LeftOutRelation(x.relation.name, len(x.sources), "no task prompt") for x in kept if not has_task(x)]
        tasks = tasks_by_relation(work, [x.relation.name for x in kept if has_task(x)])
        running = HookedModel.open(work.model)
        if not run.has_part(BASE_ACCURACIES_PART):
            run.write_part(BASE_ACCURACIES_PART, base_accuracies(running, tasks))
        plan = plan_removals(tasks, run.read_part(BASE_ACCURACIES_PART), selected_heads(work), seed)
        todo = [name for name in plan.tasks if not run.has_part(name)]
        for name in progress(todo, len(plan.tasks) - len(todo)) if todo else ():
            run.write_part(name, measure_task(running, plan, name))
        return finish_run(run, plan, left)


def has_task(usable: UsableRelation) -> bool:
    """Whether a relation is one of those with a task prompt; people's own relations have none, whatever their name."""
    return usable.relation.category != "" and usable.relation.name in TASK_PROMPTS


def removal_limit(heads: int) -> int:
    """How many heads of a model with so many are removed at most."""
    return next((most for below, most in REMOVAL_LIMITS if heads < below), HIGHEST_REMOVAL_LIMIT)


def tasks_by_relation(work: LayerMapper, names: list[str]) -> dict[str, RelationTask]:
    """The tasks of these relations, each with its heads of φ > 0 in order of score, equal ones by layer and head."""
    heads, shape = selected_heads(work), work.model.shape
    tasks = {}
    for static in static_scores(work):
        if static.usable.relation.name in names:
            order = sorted((-score, head) for score, head in zip(static.score, heads, strict=True) if score > 0)
            order = order[: removal_limit(shape.layers * shape.heads)]
            pairs, scores = single_token_pairs(work.model, static.usable), [-score for score, _ in order]
            tasks[static.usable.relation.name] = RelationTask(static, pairs, [head for _, head in order], scores)
    return tasks


def base_accuracies(hooked_model: HookedModel, tasks: dict[str, RelationTask]) -> dict[str, float]:
    """How often the model's next token is the target, with nothing removed."""
    return {name: accuracy_curves(hooked_model, task, [[]])[0][0] for name, task in tasks.items()}


def accuracy_curves(hooked_model: HookedModel, task: RelationTask, orders: list[list[HeadId]]) -> list[AccuracyCurve]:
    """A task's accuracy as heads are removed in each of some orders."""
    shape, device = hooked_model.model.shape, hooked_model.model.device
    targets = torch.tensor([pair.target for pair in task.pairs], device=device)
    right = [[0] * (len(order) + 1) for order in orders]
    prompts = FilledPrompts.for_last_position(
        hooked_model, TASK_PROMPTS[task.name], [pair.source for pair in task.pairs]
    )
    for batch in prompts.batches(device):
        step = max(1, MAX_BATCH_TOKENS // max(batch.ids.shape[1], removal_limit(shape.layers * shape.heads) + 1))
        for pairs, ids in zip(batch.pair_indices.split(step), batch.ids.split(step), strict=True):
            last = LastPosition.prepare(hooked_model, ids)
            for counts, order in zip(right, orders, strict=True):
                found = last.is_correct_after_removals(order, targets[pairs]).sum(1).tolist()
                counts[:] = [a + b for a, b in zip(counts, found, strict=True)]
    return [[count / len(task.pairs) for count in counts] for counts in right]


def plan_removals(
    tasks: dict[str, RelationTask], bases: dict[str, float], heads: list[HeadId], seed: int
) -> RemovalPlan:
    """Draws other heads and controls for the relations whose task the model can do."""
    draws, controls = {}, {}
    for name, task in tasks.items():
        if task.heads and bases[name] >= MIN_BASE_ACCURACY:
            drawn, others = random.Random(f"{seed} {name}"), [head for head in heads if head not in set(task.heads)]
            most = min(len(task.heads), len(others))
            draws[name] = [drawn.sample(others, most) for _ in range(RANDOM_DRAWS)]
            fit = [other for other in tasks if other != name and is_control(task, tasks[other], bases)]
            drawn.shuffle(fit)
            controls[name] = fit[:MAX_CONTROL_TASKS]
    return RemovalPlan(tasks, bases, draws, controls)


def is_control(task: RelationTask, other: RelationTask, bases: dict[str, float]) -> bool:
    """Whether another task has other heads and is about as easy (paper, section 4.3)."""
    shared = set(task.heads) & set(other.heads[: len(task.heads)])
    return (
        len(shared) / len(task.heads) < CONTROL_OVERLAP_LIMIT
        and abs(bases[task.name] - bases[other.name]) <= MAX_BASE_ACCURACY_GAP
    )


def measure_task(hooked_model: HookedModel, plan: RemovalPlan, name: str) -> dict[str, Any]:
    """A task's part: its accuracy as its own heads, random ones and those of the relations that it controls go."""
    task, draws = plan.tasks[name], plan.random_draws.get(name, [])
    controlled = [other for other, controls in plan.control_tasks.items() if name in controls]
    orders = [*([task.heads] if draws else []), *draws, *(plan.tasks[other].heads for other in controlled)]
    found = accuracy_curves(hooked_model, task, orders)
    own = 1 if draws else 0
    return {
        "relation": name,
        "prompt": TASK_PROMPTS[name],
        "pairs": len(task.pairs),
        "base": plan.base_accuracies[name],
        "heads": [str(head) for head in task.heads],
        "scores": task.head_scores,
        "relation_heads": found[0] if own else None,
        "random_heads": found[own : own + len(draws)],
        "drawn": [[str(head) for head in draw] for draw in draws],
        "as_control": dict(zip(controlled, found[own + len(draws) :], strict=True)),
    }


def finish_run(run: ExperimentRun, plan: RemovalPlan, left: list[LeftOutRelation]) -> Result:
    """The rows, and the relations whose task the model cannot do or that no head implements."""
    parts, rows = {name: run.read_part(name) for name in plan.tasks}, []
    for name, task in plan.tasks.items():
        if not task.heads:
            left.append(LeftOutRelation(name, len(task.pairs), "no head scores above 0"))
        elif name not in plan.random_draws:
            left.append(
                LeftOutRelation(
                    name, len(task.pairs), f"base accuracy {plan.base_accuracies[name]:.2f}, under {MIN_BASE_ACCURACY}"
                )
            )
        else:
            controls = {other: parts[other]["as_control"][name] for other in plan.control_tasks[name]}
            run.write_part(name, parts[name] | {"controls": controls})
            rows.append(causal_row(parts[name], controls))
    return run.write_result(rows, left)


def causal_row(part: dict[str, Any], controls: dict[str, AccuracyCurve]) -> Row:
    """A row of `causal.csv`: accuracies where the relation's own is first 0, or else at the end of the list."""
    own: AccuracyCurve = part["relation_heads"]
    at = own.index(0.0) if 0.0 in own else len(own) - 1
    random_ones = [curve[at] for curve in part["random_heads"] if len(curve) > at]
    before, after = [curve[0] for curve in controls.values()], [curve[at] for curve in controls.values()]
    return {
        "relation": part["relation"],
        "heads_removed": at,
        "base": own[0],
        "relation_heads_removed": own[at],
        "random_heads_removed": fmean(random_ones) if random_ones else None,
        "random_sd": pstdev(random_ones) if random_ones else None,
        "control_tasks": len(controls),
        "control_base": fmean(before) if before else None,
        "control_relation_heads_removed": fmean(after) if after else None,
        "control_base_sd": pstdev(before) if before else None,
        "control_sd": pstdev(after) if after else None,
        "pairs": part["pairs"],
    }
