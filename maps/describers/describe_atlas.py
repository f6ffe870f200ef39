"""Describes the heads of an atlas. Each answer is on disk when it arrives, and in the tables at the end of the run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from maps.atlas.append_log import merge_pending_rows, open_row_writer, read_pending_rows, refusal_of_row
from maps.atlas.choice import EVERY_HEAD, HeadChoice
from maps.atlas.info import is_text
from maps.atlas.reader import Atlas
from maps.atlas.run_notes import RunNotes
from maps.atlas.schema import Row, description_row, head_of
from maps.describers.ask_many import describe_heads, run_to_completion
from maps.describers.describer import Describer
from maps.errors import MapsError
from maps.files.lock import lock_folder
from maps.hashes import mapping_hash
from maps.progress import open_bar
from maps.text import pluralize, shorten
from maps.types import Answer, HeadId, Mapping, check_seed

ANSWER_TABLES = ("descriptions", "failures")
REDO_FILE = "redo.pending.json"  # by describer: when its unfinished redo started
MAX_REASON_LENGTH = 300  # characters


class DescribeSummary(NamedTuple):
    """The result of a run: heads described and heads failed in it; heads that are described now, and with a pattern."""

    asked: int
    failed: int
    patterns: int
    heads: int


@dataclass(frozen=True)
class DescribeWork:
    """The heads that a describer still has to describe.

    `mapping_hashes`: of the current mappings of every head. `earlier_counts`: earlier descriptions of a head by this
    describer. `stored_row_counts`: rows in the tables at the start.
    """

    atlas: Atlas
    describer: str
    todo: list[tuple[HeadId, list[Mapping]]]
    mapping_hashes: dict[HeadId, str]
    earlier_counts: Counter[HeadId]
    stored_row_counts: dict[str, int]


def describe_atlas(
    folder: Path,
    describer: Describer,
    concurrency: int = 1,
    *,
    seed: int = 0,
    redo: bool = False,
    choice: HeadChoice = EVERY_HEAD,
) -> DescribeSummary:
    """Describes every chosen head whose current mappings have no description by this describer; with `redo`, all.

    A run continues an interrupted one: nothing is asked twice. A `redo` continues an unfinished `redo`.
    """
    check_seed(seed)

    def ask(work: DescribeWork, answers: AnswerStore) -> Coroutine[Any, Any, None]:
        return describe_heads(
            work.todo,
            describer,
            on_answer=answers.store_answer,
            on_failure=answers.store_failure,
            seed=seed,
            concurrency=concurrency,
        )

    return run_describer(folder, describer.name, redo, ask, choice)


def run_describer(
    folder: Path,
    describer: str,
    redo: bool,
    ask: Callable[[DescribeWork, AnswerStore], Coroutine[Any, Any, None]],
    choice: HeadChoice = EVERY_HEAD,
) -> DescribeSummary:
    """Runs `ask` on the heads that a describer still has to describe, and notes an unfinished `redo`."""
    atlas = Atlas.open(folder)
    if not is_text(describer):
        raise MapsError(f"The describer's name {shorten(describer, 80)!r} cannot be stored; give it another one.")
    with lock_folder(folder, "describe"):
        for table in ANSWER_TABLES:
            merge_pending_rows(atlas, table)
        redo_since = redo_start(folder, describer, choice) if redo else None
        is_noted = redo and not choice.is_restricted  # a redo of some heads neither continues nor ends one of all
        if redo_since is not None and is_noted:
            redo_notes(folder).write_entry(describer, redo_since.isoformat())
        work = remaining_work(folder, describer, redo_since, choice)
        answers = AnswerStore(work)
        if work.todo:
            with answers.open():
                run_to_completion(ask(work, answers))
        if is_noted:
            redo_notes(folder).write_entry(describer, None)
        return summarise_run(work, answers)


def remaining_work(
    folder: Path, describer: str, since: datetime | None = None, choice: HeadChoice = EVERY_HEAD
) -> DescribeWork:
    """What a describer still has to do. `since`: descriptions before that time do not count. Writes nothing.

    A head is done if its newest description is of its current mappings.
    """
    atlas = Atlas.open(folder)
    mappings_by_head = atlas.mappings_by_head()
    hashes = {head: mapping_hash(mappings) for head, mappings in mappings_by_head.items()}
    columns = ["layer", "head", "describer", "mapping_hash", "created_at"]
    all_rows = [*atlas.table("descriptions", columns).to_pylist(), *read_pending_rows(atlas, "descriptions")]
    rows = [row for row in all_rows if row["describer"] == describer]
    newest = {head_of(row): row for row in sorted(rows, key=lambda row: row["created_at"])}
    done = {
        head
        for head, row in newest.items()
        if hashes.get(head) == row["mapping_hash"] and (since is None or row["created_at"] >= since)
    }
    todo = [(head, mappings_by_head[head]) for head in choice.select(atlas.head_ids) if head not in done]
    earlier_counts = Counter(head_of(row) for row in rows)
    return DescribeWork(atlas, describer, todo, hashes, earlier_counts, count_stored_rows(atlas))


def redo_notes(folder: Path) -> RunNotes:
    return RunNotes(folder / REDO_FILE, "delete that file; an unfinished --redo then starts from the beginning")


def unfinished_redo_start(folder: Path, describer: str) -> datetime | None:
    """When the unfinished redo of a describer started, or None; raises MapsError if the note is damaged."""
    entry = redo_notes(folder).read_entry(describer)
    if entry is None:
        return None
    try:
        start = datetime.fromisoformat(entry)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise redo_notes(folder).damaged_entry_error(describer) from None
    if start.tzinfo is None:
        raise redo_notes(folder).damaged_entry_error(describer)
    return start


def redo_start(folder: Path, describer: str, choice: HeadChoice = EVERY_HEAD) -> datetime:
    """Since when descriptions count as redone: since the start of an unfinished redo of all heads, else from now on."""
    unfinished = None if choice.is_restricted else unfinished_redo_start(folder, describer)
    return unfinished or datetime.now(UTC)


def count_stored_rows(atlas: Atlas) -> dict[str, int]:
    return {table: atlas.table(table, ["layer"]).num_rows for table in ANSWER_TABLES}


def summarise_run(work: DescribeWork, answers: AnswerStore) -> DescribeSummary:
    """The result of a run; raises MapsError if rows that it stored are missing."""
    expected = sum(work.stored_row_counts.values()) + sum(answers.row_counts.values())
    missing = expected - sum(count_stored_rows(work.atlas).values())
    if missing > 0:
        raise MapsError(
            f"{pluralize(missing, 'reply')} of this run are missing in {work.atlas.folder}: another program changed "
            "its files. Run the command again when nothing else writes there."
        )
    rows = [row for row in work.atlas.descriptions() if row["describer"] == work.describer]
    patterns, counts = sum(row["pattern"] for row in rows), answers.row_counts
    return DescribeSummary(counts["descriptions"], counts["failures"], patterns, len(rows))


class AnswerStore:
    """Stores answers and failures inside `open`, and counts them."""

    def __init__(self, work: DescribeWork) -> None:
        self.row_counts = dict.fromkeys(ANSWER_TABLES, 0)
        self._work = work

    @contextmanager
    def open(self) -> Iterator[None]:
        """With a progress bar. Rows are in append logs at once, and in the tables when the block ends, however."""
        with ExitStack() as stack:
            atlas, total = self._work.atlas, len(self._work.todo)
            self._append = {name: stack.enter_context(open_row_writer(atlas, name)) for name in ANSWER_TABLES}
            self._bar = stack.enter_context(open_bar(total, "describing", "head"))
            yield

    def mapping_hash_of(self, head: HeadId) -> str:
        return self._work.mapping_hashes[head]

    def store_answer(self, head: HeadId, answer: Answer) -> None:
        row = description_row(head, self._work.describer, answer, {"mapping_hash": self.mapping_hash_of(head)})
        description_id = compute_description_id(self._work.atlas.model, row, self._work.earlier_counts[head])
        row = {**row, "description_id": description_id, "created_at": utc_now()}
        if refusal := refusal_of_row(row, "descriptions", self._work.atlas.sizes):
            self.store_failure(head, f"The answer cannot be stored: {refusal}.", 1)
        else:
            self._store_row("descriptions", row)

    def store_failure(self, head: HeadId, reason: str, attempts: int) -> None:
        row = {**head._asdict(), "describer": self._work.describer, "reason": shorten(reason, MAX_REASON_LENGTH)}
        self._store_row("failures", {**row, "attempts": attempts, "created_at": utc_now()})

    def _store_row(self, table: str, row: Row) -> None:
        self._append[table](row)
        self.row_counts[table] += 1
        self._bar.update()


def compute_description_id(model: str, row: Row, earlier_count: int) -> str:
    """A description's id: a hash of its text, its mappings and the number of earlier descriptions of the head.

    A deterministic describer gets the same ids on every machine, so that judgments stay with their description.
    """
    content = json.dumps([model, earlier_count, sorted(row.items())], ensure_ascii=False)
    return hashlib.sha256(content.encode(errors="replace")).hexdigest()[:20]


def utc_now() -> str:
    """The time in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat()
