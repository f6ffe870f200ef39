"""What becomes of a relation's task when the heads that implement the relation are removed (paper, section 4.3)."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, NamedTuple

import torch

from maps.atlas.schema import Row
from maps.experiments.ablation import LastPosition
from maps.experiments.hooked_model import TOKENS, Running
from maps.experiments.prompts import Prompts, Spoken, single
from maps.experiments.results import LeftOut, Result, Run
from maps.experiments.setup import Progress, enough, plainly, prepared
from maps.experiments.static_scores import Static, heads_of, static_scores
from maps.experiments.task_prompts import TASKS
from maps.files.lock import locked
from maps.heads.relation_scores import UsableRelation
from maps.mapping.mapper import Work
from maps.mapping.settings import Settings
from maps.types import HeadId

LIMITS = ((300, 30), (500, 50), (1000, 100), (1500, 150))  # heads of a model below which so many are removed at most
HIGHEST_LIMIT = 250
DRAWS = 5  # of random other heads
CONTROLS = 5  # tasks of other relations, at most
OVERLAP = 0.15  # share of a relation's heads that a control's may be, exclusive
APART = 0.2  # of base accuracies, at most
LEAST_BASE = 0.1  # accuracy under which a relation is left out
BASES = "base accuracies"  # the part that holds them

Curve = list[float]  # accuracies with no head removed, one, two, …


class Task(NamedTuple):
    """A relation's prompt with the pairs that it is tried on, and the heads that are removed, strongest first."""

    static: Static
    pairs: list[Spoken]
    heads: list[HeadId]
    scores: list[float]

    @property
    def name(self) -> str:
        """The relation's name."""
        return self.static.usable.relation.name


class Plan(NamedTuple):
    """What is removed where, once the base accuracies are known; seeded draws and controls by relation."""

    tasks: dict[str, Task]
    bases: dict[str, float]
    draws: dict[str, list[list[HeadId]]]
    controls: dict[str, list[str]]


def causal(
    model: str, out: Path, settings: Settings, seed: int = 0, device: str = "cpu", progress: Progress = plainly
) -> Result:
    """Removes heads from the last position of every task's prompts and writes `causal.csv`.

    Goes on where a run stopped. Raises MapsError where `out` holds a run, or an atlas, of other settings.
    """
    work, run = prepared("causal", model, out, settings, device, {"seed": seed, "tasks": TASKS})
    with locked(out, "evaluate"):
        finished = run.finished()
        if finished is not None:
            return finished
        kept, left = enough(work)
        left += [LeftOut(x.relation.name, len(x.sources), "no task prompt") for x in kept if not has_task(x)]
        tasks = tasks_of(work, [x.relation.name for x in kept if has_task(x)])
        running = Running.open(work.model)
        if not run.has(BASES):
            run.keep(BASES, base_accuracies(running, tasks))
        plan = planned(tasks, run.part(BASES), heads_of(work), seed)
        todo = [name for name in plan.tasks if not run.has(name)]
        for name in progress(todo, len(plan.tasks) - len(todo)) if todo else ():
            run.keep(name, carried_out(running, plan, name))
        return ended(run, plan, left)


def has_task(usable: UsableRelation) -> bool:
    """Whether a relation is one of those with a task prompt; people's own relations have none, whatever their name."""
    return usable.relation.category != "" and usable.relation.name in TASKS


def limit(heads: int) -> int:
    """How many heads of a model with so many are removed at most."""
    return next((most for below, most in LIMITS if heads < below), HIGHEST_LIMIT)


def tasks_of(work: Work, names: list[str]) -> dict[str, Task]:
    """The tasks of these relations, each with its heads of φ > 0 in order of score, equal ones by layer and head."""
    heads, shape = heads_of(work), work.model.shape
    tasks = {}
    for static in static_scores(work):
        if static.usable.relation.name in names:
            order = sorted((-score, head) for score, head in zip(static.score, heads, strict=True) if score > 0)
            order = order[: limit(shape.layers * shape.heads)]
            pairs, scores = single(work.model, static.usable), [-score for score, _ in order]
            tasks[static.usable.relation.name] = Task(static, pairs, [head for _, head in order], scores)
    return tasks


def base_accuracies(running: Running, tasks: dict[str, Task]) -> dict[str, float]:
    """How often the model's next token is the target, with nothing removed."""
    return {name: curves(running, task, [[]])[0][0] for name, task in tasks.items()}


def curves(running: Running, task: Task, orders: list[list[HeadId]]) -> list[Curve]:
    """A task's accuracy as heads are removed in each of some orders."""
    shape, device = running.model.shape, running.model.device
    targets = torch.tensor([pair.target for pair in task.pairs], device=device)
    right = [[0] * (len(order) + 1) for order in orders]
    prompts = Prompts.whole(running, TASKS[task.name], [pair.source for pair in task.pairs])
    for batch in prompts.batches(device):
        step = max(1, TOKENS // max(batch.ids.shape[1], limit(shape.layers * shape.heads) + 1))
        for pairs, ids in zip(batch.pairs.split(step), batch.ids.split(step), strict=True):
            last = LastPosition.of(running, ids)
            for counts, order in zip(right, orders, strict=True):
                found = last.right(order, targets[pairs]).sum(1).tolist()
                counts[:] = [a + b for a, b in zip(counts, found, strict=True)]
    return [[count / len(task.pairs) for count in counts] for counts in right]


def planned(tasks: dict[str, Task], bases: dict[str, float], heads: list[HeadId], seed: int) -> Plan:
    """Draws other heads and controls for the relations whose task the model can do."""
    draws, controls = {}, {}
    for name, task in tasks.items():
        if task.heads and bases[name] >= LEAST_BASE:
            drawn, others = random.Random(f"{seed} {name}"), [head for head in heads if head not in set(task.heads)]
            most = min(len(task.heads), len(others))
            draws[name] = [drawn.sample(others, most) for _ in range(DRAWS)]
            fit = [other for other in tasks if other != name and is_control(task, tasks[other], bases)]
            drawn.shuffle(fit)
            controls[name] = fit[:CONTROLS]
    return Plan(tasks, bases, draws, controls)


def is_control(task: Task, other: Task, bases: dict[str, float]) -> bool:
    """Whether another task has other heads and is about as easy (paper, section 4.3)."""
    shared = set(task.heads) & set(other.heads[: len(task.heads)])
    return len(shared) / len(task.heads) < OVERLAP and abs(bases[task.name] - bases[other.name]) <= APART


def carried_out(running: Running, plan: Plan, name: str) -> dict[str, Any]:
    """A task's part: its accuracy as its own heads, random ones and those of the relations that it controls go."""
    task, draws = plan.tasks[name], plan.draws.get(name, [])
    controlled = [other for other, controls in plan.controls.items() if name in controls]
    orders = [*([task.heads] if draws else []), *draws, *(plan.tasks[other].heads for other in controlled)]
    found = curves(running, task, orders)
    own = 1 if draws else 0
    return {
        "relation": name,
        "prompt": TASKS[name],
        "pairs": len(task.pairs),
        "base": plan.bases[name],
        "heads": [str(head) for head in task.heads],
        "scores": task.scores,
        "relation_heads": found[0] if own else None,
        "random_heads": found[own : own + len(draws)],
        "drawn": [[str(head) for head in draw] for draw in draws],
        "as_control": dict(zip(controlled, found[own + len(draws) :], strict=True)),
    }


def ended(run: Run, plan: Plan, left: list[LeftOut]) -> Result:
    """The rows, and the relations whose task the model cannot do or that no head implements."""
    parts, rows = {name: run.part(name) for name in plan.tasks}, []
    for name, task in plan.tasks.items():
        if not task.heads:
            left.append(LeftOut(name, len(task.pairs), "no head scores above 0"))
        elif name not in plan.draws:
            left.append(LeftOut(name, len(task.pairs), f"base accuracy {plan.bases[name]:.2f}, under {LEAST_BASE}"))
        else:
            controls = {other: parts[other]["as_control"][name] for other in plan.controls[name]}
            run.keep(name, parts[name] | {"controls": controls})
            rows.append(row_of(parts[name], controls))
    return run.end(rows, left)


def row_of(part: dict[str, Any], controls: dict[str, Curve]) -> Row:
    """A row of `causal.csv`: accuracies where the relation's own is first 0, or else at the end of the list."""
    own: Curve = part["relation_heads"]
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
