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

from maps.atlas.append_log import Pending, merge, waiting
from maps.atlas.reader import Atlas
from maps.atlas.run_notes import Notes
from maps.atlas.schema import Row, description_row
from maps.describers.ask_many import describe_heads, finished
from maps.describers.describer import Describer
from maps.errors import MapsError
from maps.files.lock import locked
from maps.hashes import mapping_hash
from maps.text import many, shortened
from maps.types import Answer, HeadId, Mapping, small_seed

TABLES = ("descriptions", "failures")
REDO = "redo.pending.json"  # when each describer that is asked again was begun with
LONGEST_REASON = 300  # characters


class Run(NamedTuple):
    """What a run of a describer did: heads asked now, heads failed now, patterns seen and heads in all."""

    asked: int
    failed: int
    patterns: int
    heads: int


@dataclass(frozen=True)
class Work:
    """The heads that a describer has still to describe.

    `hashes`: of every head's present mappings; `earlier`: how many descriptions the describer gave of a head before;
    `stored`: the rows of the atlas's tables at the beginning.
    """

    atlas: Atlas
    describer: str
    todo: list[tuple[HeadId, list[Mapping]]]
    hashes: dict[HeadId, str]
    earlier: Counter[HeadId]
    stored: dict[str, int]


def describe_atlas(
    folder: Path, describer: Describer, concurrency: int = 1, *, seed: int = 0, redo: bool = False
) -> Run:
    """Describes every head whose current mappings the describer has not described yet, or with `redo` every head.

    Rows of an earlier run that was cut off are taken over first, so nothing is asked twice; an unfinished `redo`
    is gone on with by the next one.
    """

    small_seed(seed)

    def asking(work: Work, keeping: Keeping) -> Coroutine[Any, Any, None]:
        return describe_heads(
            work.todo,
            describer,
            on_answer=keeping.answer,
            on_failure=keeping.failure,
            seed=seed,
            concurrency=concurrency,
        )

    return carried_out(folder, describer.name, redo, asking)


def carried_out(
    folder: Path, describer: str, redo: bool, asking: Callable[[Work, Keeping], Coroutine[Any, Any, None]]
) -> Run:
    """Does what a describer has still to do, by asking in some way; notes whether a `redo` is under way."""
    atlas = Atlas.open(folder)
    with locked(folder, "describe"):
        for table in TABLES:
            merge(atlas, table)
        since = redo_since(folder, describer) if redo else None
        if since:
            redos(folder).keep(describer, since.isoformat())
        work = work_left(folder, describer, since)
        with Keeping(work) as keeping:
            if work.todo:
                finished(asking(work, keeping))
        if redo:
            redos(folder).keep(describer, None)
        return outcome(work, keeping)


def work_left(folder: Path, describer: str, since: datetime | None = None) -> Work:
    """What a describer has still to do; with `since`, heads that were described before that time count as not done.

    Rows that wait for their table count; none is moved.
    """
    atlas = Atlas.open(folder)
    mapped = atlas.every_mapping()
    hashes = {head: mapping_hash(mappings) for head, mappings in mapped.items()}
    columns = ["layer", "head", "describer", "mapping_hash", "created_at"]
    every = [*atlas.table("descriptions", columns).to_pylist(), *waiting(atlas, "descriptions")]
    rows = [row for row in every if row["describer"] == describer]
    done: set[HeadId] = set()
    for row in sorted(rows, key=lambda row: row["created_at"]):
        head = HeadId(row["layer"], row["head"])
        fresh = since is None or row["created_at"] >= since
        (done.add if fresh and hashes.get(head) == row["mapping_hash"] else done.discard)(head)
    todo = [(head, mapped[head]) for head in atlas.ids if head not in done]
    earlier = Counter(HeadId(row["layer"], row["head"]) for row in rows)
    return Work(atlas, describer, todo, hashes, earlier, stored(atlas))


def redos(folder: Path) -> Notes:
    """When each describer was begun to be asked again."""
    return Notes(folder / REDO, "delete that file: an unfinished --redo then begins anew, and pays again")


def unfinished_redo(folder: Path, describer: str) -> datetime | None:
    """When a redo that was cut off began; raises MapsError where the note is damaged."""
    noted = redos(folder).of(describer)
    try:
        begun = None if noted is None else datetime.fromisoformat(noted)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise redos(folder).damaged(describer) from None
    if begun and begun.tzinfo is None:
        raise redos(folder).damaged(describer)
    return begun


def redo_since(folder: Path, describer: str) -> datetime:
    """The time from which on descriptions count as asked again: the start of a redo that was cut off, or now."""
    return unfinished_redo(folder, describer) or datetime.now(UTC)


def stored(atlas: Atlas) -> dict[str, int]:
    """How many rows the tables hold."""
    return {table: atlas.table(table, ["layer"]).num_rows for table in TABLES}


def outcome(work: Work, keeping: Keeping) -> Run:
    """What was done, with what the atlas holds now; raises MapsError where rows that were kept are not there."""
    lost = sum(work.stored.values()) + sum(keeping.counts.values()) - sum(stored(work.atlas).values())
    if lost > 0:
        raise MapsError(
            f"{many(lost, 'reply')} of this run cannot be found in {work.atlas.folder}: another program changed its "
            "files meanwhile. Run the command again when nothing else writes there."
        )
    rows = [row for row in work.atlas.descriptions() if row["describer"] == work.describer]
    patterns = sum(row["pattern"] for row in rows)
    return Run(keeping.counts["descriptions"], keeping.counts["failures"], patterns, len(work.atlas.ids))


class Keeping:
    """Keeps what comes of the work, with a bar: in the waiting files at once, in the tables at the end of the block."""

    def __init__(self, work: Work) -> None:
        self.counts = dict.fromkeys(TABLES, 0)
        self._work = work
        self._open = ExitStack()

    def __enter__(self) -> Keeping:
        """Opens the waiting files."""
        from tqdm import tqdm

        if self._work.todo:
            self._open.callback(self._merge)
            self._files = {table: self._open.enter_context(Pending(self._work.atlas, table)) for table in TABLES}
            total = len(self._work.todo)
            self._bar = self._open.enter_context(tqdm(total=total, unit="head", desc="describing", dynamic_ncols=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Moves the rows into the tables, however the run ended."""
        self._open.close()

    def hash_of(self, head: HeadId) -> str:
        """The hash of a head's present mappings."""
        return self._work.hashes[head]

    def answer(self, head: HeadId, answer: Answer) -> None:
        """Keeps a description."""
        row = description_row(head, self._work.describer, answer, {"mapping_hash": self.hash_of(head)})
        name = identity(self._work.atlas.model, row, self._work.earlier[head])
        self._keep("descriptions", {**row, "description_id": name, "created_at": now()})

    def failure(self, head: HeadId, reason: str, attempts: int) -> None:
        """Keeps that a head was given up."""
        row = {"layer": head.layer, "head": head.head, "describer": self._work.describer}
        row["reason"] = shortened(reason, LONGEST_REASON)
        self._keep("failures", {**row, "attempts": attempts, "created_at": now()})

    def _merge(self) -> None:
        for table in TABLES:
            merge(self._work.atlas, table)

    def _keep(self, table: str, row: Row) -> None:
        self._files[table].add(row)
        self.counts[table] += 1
        self._bar.update()


def identity(model: str, row: Row, asking: int) -> str:
    """A description's id: a hash of what was said of which mappings, and of how often the describer said so before.

    A deterministic describer gives the same ids on every machine, so judgments stay with what they judged.
    """
    content = json.dumps([model, asking, sorted(row.items())], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def now() -> str:
    """The time in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat()
