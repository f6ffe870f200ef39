"""Describes the operations of heads that have several. Each answer is on disk when it arrives."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from maps.atlas.append_log import merge_pending_rows, open_row_writer, read_pending_rows, refusal_of_row
from maps.atlas.choice import EVERY_HEAD, HeadChoice
from maps.atlas.patterns import operation_failure
from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.describers.ask_many import describe_heads, run_to_completion
from maps.describers.describe_atlas import MAX_REASON_LENGTH, compute_description_id, utc_now
from maps.describers.describer import Describer
from maps.describers.operations import Operation, find_operations
from maps.files.lock import lock_folder
from maps.hashes import mapping_hash
from maps.progress import open_bar
from maps.text import shorten
from maps.types import Answer, HeadId, Mapping, Progress, no_progress_bar

TABLES = ("patterns", "failures")


class HeadOperation(NamedTuple):
    """One operation of a head."""

    head: HeadId
    operation: Operation


@dataclass(frozen=True)
class OperationWork:
    """The operations of the chosen heads, and those that a describer has still to describe, with their mappings."""

    atlas: Atlas
    describer: str
    operations: list[HeadOperation]
    todo: list[tuple[HeadOperation, list[Mapping]]]
    earlier_counts: Counter[tuple[int, int, int]]  # earlier descriptions by layer, head and operation

    @property
    def heads(self) -> int:
        """How many of the chosen heads have several operations."""
        return len({each.head for each in self.operations})


@dataclass
class OperationSummary:
    """The result of a run: operations described and failed in it."""

    described: int = 0
    failed: int = 0
    patterns: int = 0  # of those described, with a pattern


def plan_operations(
    atlas: Atlas,
    describer: str,
    choice: HeadChoice = EVERY_HEAD,
    redo: bool = False,
    progress: Progress[int] = no_progress_bar,
) -> OperationWork:
    """Finds the operations of the chosen heads; those with a description by the describer are done unless `redo`."""
    mappings = atlas.mappings_by_head()
    chosen = choice.select(atlas.head_ids)
    numbers = progress(range(len(chosen)), 0)
    operations = [
        HeadOperation(chosen[number], each) for number in numbers for each in find_operations(mappings[chosen[number]])
    ]
    stored = [*atlas.table("patterns").to_pylist(), *read_pending_rows(atlas, "patterns")]
    own = [row for row in stored if row["describer"] == describer]
    done = {(row["layer"], row["head"], row["mapping_hash"]) for row in own}
    todo = [
        (each, list(each.operation.mappings))
        for each in operations
        if redo or (*each.head, mapping_hash(each.operation.mappings)) not in done
    ]
    earlier = Counter((row["layer"], row["head"], row["operation"]) for row in own)
    return OperationWork(atlas, describer, operations, todo, earlier)


def describe_operations(
    folder: Path,
    describer: Describer,
    concurrency: int = 1,
    *,
    seed: int = 0,
    redo: bool = False,
    choice: HeadChoice = EVERY_HEAD,
    progress: Progress[int] = no_progress_bar,
) -> tuple[OperationWork, OperationSummary]:
    """Describes every operation of the chosen heads that has no description by this describer; with `redo`, all.

    Writes `patterns`. A run continues an interrupted one: nothing is asked twice. A stopped `redo` starts again.
    """
    atlas = Atlas.open(folder)
    with lock_folder(folder, "describe"):
        for table in TABLES:
            merge_pending_rows(atlas, table)
        work = plan_operations(atlas, describer.name, choice, redo, progress)
        return work, ask_about_operations(work, describer, concurrency, seed)


def ask_about_operations(work: OperationWork, describer: Describer, concurrency: int, seed: int) -> OperationSummary:
    """Asks, and stores each answer and each failure at once. The folder has to be locked."""
    summary = OperationSummary()
    if not work.todo:
        return summary
    with ExitStack() as stack:
        append = {name: stack.enter_context(open_row_writer(work.atlas, name)) for name in TABLES}
        bar = stack.enter_context(open_bar(len(work.todo), "describing", "operation"))

        def store_failure(each: HeadOperation, reason: str, attempts: int) -> None:
            text = shorten(operation_failure(each.operation.number, reason), MAX_REASON_LENGTH)
            row = {**each.head._asdict(), "describer": work.describer, "reason": text, "attempts": attempts}
            append["failures"]({**row, "created_at": utc_now()})
            summary.failed += 1
            bar.update()

        def store_answer(each: HeadOperation, answer: Answer) -> None:
            row = pattern_row(work, each, answer)
            if refusal := refusal_of_row(row, "patterns", work.atlas.sizes):
                store_failure(each, f"The answer cannot be stored: {refusal}.", 1)
                return
            append["patterns"](row)
            summary.described += 1
            summary.patterns += answer.description.pattern
            bar.update()

        asking = describe_heads(
            work.todo,
            describer,
            on_answer=store_answer,
            on_failure=store_failure,
            seed=seed,
            concurrency=concurrency,
        )
        run_to_completion(asking)
    return summary


def pattern_row(work: OperationWork, each: HeadOperation, answer: Answer) -> Row:
    """A row of `patterns`."""
    operation, description = each.operation, answer.description
    row = {
        **each.head._asdict(),
        **{"describer": work.describer, "operation": operation.number},
        **vars(description),
        "pattern": description.pattern,
        **{name: value for name, value in vars(answer).items() if name != "description"},
        "source_ids": [mapping.source_id for mapping in operation.mappings],
        "stability": operation.stability,
        "mapping_hash": mapping_hash(operation.mappings),
    }
    earlier = work.earlier_counts[*each.head, operation.number]
    description_id = compute_description_id(work.atlas.model, row, earlier)
    return {**row, "description_id": description_id, "created_at": utc_now()}
