"""Describes an atlas's heads and keeps every answer: on disk when it arrives, in the tables at the end of the run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from maps.atlas.append_log import AppendLog, merge_pending_rows, read_pending_rows
from maps.atlas.reader import Atlas
from maps.atlas.run_notes import RunNotes
from maps.atlas.schema import Row, description_row
from maps.describers.ask_many import describe_heads, run_to_completion
from maps.describers.describer import Describer
from maps.errors import MapsError
from maps.files.lock import lock_folder
from maps.hashes import mapping_hash
from maps.text import pluralize, shorten
from maps.types import Answer, HeadId, Mapping, check_seed

ANSWER_TABLES = ("descriptions", "failures")
REDO_FILE = "redo.pending.json"  # when each describer that is asked again was begun with
MAX_REASON_LENGTH = 300  # characters


class DescribeSummary(NamedTuple):
    """What a run of a describer did: heads asked now, heads failed now, patterns seen and heads in all."""

    asked: int
    failed: int
    patterns: int
    heads: int


@dataclass(frozen=True)
class DescribeWork:
    """The heads that a describer has still to describe.

    `mapping_hashes`: of every head's present mappings; `earlier_counts`: how many descriptions the describer gave of a head before;
    `stored_row_counts`: the rows of the atlas's tables at the beginning.
    """

    atlas: Atlas
    describer: str
    todo: list[tuple[HeadId, list[Mapping]]]
    mapping_hashes: dict[HeadId, str]
    earlier_counts: Counter[HeadId]
    stored_row_counts: dict[str, int]


def describe_atlas(
    folder: Path, describer: Describer, concurrency: int = 1, *, seed: int = 0, redo: bool = False
) -> DescribeSummary:
    """Describes every head whose current mappings the describer has not described yet, or with `redo` every head.

    Rows of an earlier run that was cut off are taken over first, so nothing is asked twice; an unfinished `redo`
    is gone on with by the next one.
    """

    check_seed(seed)

    def asking(work: DescribeWork, keeping: AnswerStore) -> Coroutine[Any, Any, None]:
        return describe_heads(
            work.todo,
            describer,
            on_answer=keeping.store_answer,
            on_failure=keeping.store_failure,
            seed=seed,
            concurrency=concurrency,
        )

    return run_describer(folder, describer.name, redo, asking)


def run_describer(
    folder: Path, describer: str, redo: bool, ask: Callable[[DescribeWork, AnswerStore], Coroutine[Any, Any, None]]
) -> DescribeSummary:
    """Does what a describer has still to do, by asking in some way; notes whether a `redo` is under way."""
    atlas = Atlas.open(folder)
    with lock_folder(folder, "describe"):
        for table in ANSWER_TABLES:
            merge_pending_rows(atlas, table)
        since = redo_start(folder, describer) if redo else None
        if since:
            redo_notes(folder).write_entry(describer, since.isoformat())
        work = remaining_work(folder, describer, since)
        with AnswerStore(work) as keeping:
            if work.todo:
                run_to_completion(ask(work, keeping))
        if redo:
            redo_notes(folder).write_entry(describer, None)
        return summarise_run(work, keeping)


def remaining_work(folder: Path, describer: str, since: datetime | None = None) -> DescribeWork:
    """What a describer has still to do; with `since`, heads that were described before that time count as not done.

    Rows that wait for their table count; none is moved.
    """
    atlas = Atlas.open(folder)
    mapped = atlas.mappings_by_head()
    hashes = {head: mapping_hash(mappings) for head, mappings in mapped.items()}
    columns = ["layer", "head", "describer", "mapping_hash", "created_at"]
    every = [*atlas.table("descriptions", columns).to_pylist(), *read_pending_rows(atlas, "descriptions")]
    rows = [row for row in every if row["describer"] == describer]
    done: set[HeadId] = set()
    for row in sorted(rows, key=lambda row: row["created_at"]):
        head = HeadId(row["layer"], row["head"])
        fresh = since is None or row["created_at"] >= since
        (done.add if fresh and hashes.get(head) == row["mapping_hash"] else done.discard)(head)
    todo = [(head, mapped[head]) for head in atlas.head_ids if head not in done]
    earlier = Counter(HeadId(row["layer"], row["head"]) for row in rows)
    return DescribeWork(atlas, describer, todo, hashes, earlier, count_stored_rows(atlas))


def redo_notes(folder: Path) -> RunNotes:
    """When each describer was begun to be asked again."""
    return RunNotes(folder / REDO_FILE, "delete that file: an unfinished --redo then begins anew, and pays again")


def unfinished_redo_start(folder: Path, describer: str) -> datetime | None:
    """When a redo that was cut off began; raises MapsError where the note is damaged."""
    noted = redo_notes(folder).read_entry(describer)
    try:
        begun = None if noted is None else datetime.fromisoformat(noted)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise redo_notes(folder).damaged_entry_error(describer) from None
    if begun and begun.tzinfo is None:
        raise redo_notes(folder).damaged_entry_error(describer)
    return begun


def redo_start(folder: Path, describer: str) -> datetime:
    """The time from which on descriptions count as asked again: the start of a redo that was cut off, or now."""
    return unfinished_redo_start(folder, describer) or datetime.now(UTC)


def count_stored_rows(atlas: Atlas) -> dict[str, int]:
    """How many rows the tables hold."""
    return {table: atlas.table(table, ["layer"]).num_rows for table in ANSWER_TABLES}


def summarise_run(work: DescribeWork, answers: AnswerStore) -> DescribeSummary:
    """What was done, with what the atlas holds now; raises MapsError where rows that were kept are not there."""
    lost = (
        sum(work.stored_row_counts.values())
        + sum(answers.row_counts.values())
        - sum(count_stored_rows(work.atlas).values())
    )
    if lost > 0:
        raise MapsError(
            f"{pluralize(lost, 'reply')} of this run cannot be found in {work.atlas.folder}: another program changed its "
            "files meanwhile. Run the command again when nothing else writes there."
        )
    rows = [row for row in work.atlas.descriptions() if row["describer"] == work.describer]
    patterns = sum(row["pattern"] for row in rows)
    return DescribeSummary(
        answers.row_counts["descriptions"], answers.row_counts["failures"], patterns, len(work.atlas.head_ids)
    )


class AnswerStore:
    """Keeps what comes of the work, with a bar: in the waiting files at once, in the tables at the end of the block."""

    def __init__(self, work: DescribeWork) -> None:
        self.row_counts = dict.fromkeys(ANSWER_TABLES, 0)
        self._work = work
        self._exit_stack = ExitStack()

    def __enter__(self) -> AnswerStore:
        """Opens the waiting files."""
        from tqdm import tqdm

        if self._work.todo:
            self._exit_stack.callback(self._merge_tables)
            self._files = {
                table: self._exit_stack.enter_context(AppendLog(self._work.atlas, table)) for table in ANSWER_TABLES
            }
            total = len(self._work.todo)
            self._bar = self._exit_stack.enter_context(
                tqdm(total=total, unit="head", desc="describing", dynamic_ncols=True)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Moves the rows into the tables, however the run ended."""
        self._exit_stack.close()

    def mapping_hash_of(self, head: HeadId) -> str:
        """The hash of a head's present mappings."""
        return self._work.mapping_hashes[head]

    def store_answer(self, head: HeadId, answer: Answer) -> None:
        """Keeps a description."""
        row = description_row(head, self._work.describer, answer, {"mapping_hash": self.mapping_hash_of(head)})
        name = compute_description_id(self._work.atlas.model, row, self._work.earlier_counts[head])
        self._store_row("descriptions", {**row, "description_id": name, "created_at": utc_now()})

    def store_failure(self, head: HeadId, reason: str, attempts: int) -> None:
        """Keeps that a head was given up."""
        row = {"layer": head.layer, "head": head.head, "describer": self._work.describer}
        row["reason"] = shorten(reason, MAX_REASON_LENGTH)
        self._store_row("failures", {**row, "attempts": attempts, "created_at": utc_now()})

    def _merge_tables(self) -> None:
        for table in ANSWER_TABLES:
            merge_pending_rows(self._work.atlas, table)

    def _store_row(self, table: str, row: Row) -> None:
        self._files[table].append(row)
        self.row_counts[table] += 1
        self._bar.update()


def compute_description_id(model: str, row: Row, earlier_count: int) -> str:
    """A description's id: a hash of what was said of which mappings, and of how often the describer said so before.

    A deterministic describer gives the same ids on every machine, so judgments stay with what they judged.
    """
    content = json.dumps([model, earlier_count, sorted(row.items())], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def utc_now() -> str:
    """The time in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat()
