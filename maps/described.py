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

from maps.asking import describe_heads, finished
from maps.atlas import Atlas, read_json
from maps.describers import Describer
from maps.pending import Pending, merge, note
from maps.prompts import mapping_hash
from maps.tables import Row, description_row
from maps.types import Answer, HeadId, Mapping

TABLES = ("descriptions", "failures")
REDO = "redo.pending.json"  # when each describer that is asked again was begun with


class Run(NamedTuple):
    """What a run of a describer did: heads asked now, heads failed now, patterns seen and heads in all."""

    asked: int
    failed: int
    patterns: int
    heads: int


@dataclass(frozen=True)
class Work:
    """The heads that a describer has still to describe.

    `hashes`: of every head's present mappings; `earlier`: how many descriptions the describer gave of a head before.
    """

    atlas: Atlas
    describer: str
    todo: list[tuple[HeadId, list[Mapping]]]
    hashes: dict[HeadId, str]
    earlier: Counter[HeadId]


def describe_atlas(
    folder: Path, describer: Describer, concurrency: int = 1, *, seed: int = 0, redo: bool = False
) -> Run:
    """Describes every head whose current mappings the describer has not described yet, or with `redo` every head.

    Rows of an earlier run that was cut off are taken over first, so nothing is asked twice; an unfinished `redo`
    is gone on with by the next one.
    """

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
    work = work_left(folder, describer, begin_redo(folder, describer) if redo else None)
    with Keeping(work) as keeping:
        if work.todo:
            finished(asking(work, keeping))
    if redo:
        end_redo(folder, describer)
    return outcome(work, keeping)


def work_left(folder: Path, describer: str, since: datetime | None = None) -> Work:
    """What a describer has still to do; with `since`, heads that were described before that time count as not done."""
    atlas = Atlas.open(folder)
    for table in TABLES:
        merge(atlas, table)
    mapped = atlas.every_mapping()
    hashes = {head: mapping_hash(mappings) for head, mappings in mapped.items()}
    columns = ["layer", "head", "describer", "mapping_hash", "created_at"]
    rows = [row for row in atlas.table("descriptions", columns).to_pylist() if row["describer"] == describer]
    done: set[HeadId] = set()
    for row in sorted(rows, key=lambda row: row["created_at"]):
        head = HeadId(row["layer"], row["head"])
        fresh = since is None or row["created_at"] >= since
        (done.add if fresh and hashes.get(head) == row["mapping_hash"] else done.discard)(head)
    todo = [(head, mapped[head]) for head in atlas.ids if head not in done]
    return Work(atlas, describer, todo, hashes, Counter(HeadId(row["layer"], row["head"]) for row in rows))


def begin_redo(folder: Path, describer: str) -> datetime:
    """The time from which on descriptions count as asked again: now, or the start of a redo that was cut off."""
    begun = (read_json(folder / REDO) or {}).get(describer)
    if begun is None:
        begun = now()
        if folder.is_dir():
            note(folder / REDO, describer, begun)
    return datetime.fromisoformat(begun)


def end_redo(folder: Path, describer: str) -> None:
    """Notes that every head was asked again."""
    note(folder / REDO, describer, None)


def outcome(work: Work, keeping: Keeping) -> Run:
    """What was done, with what the atlas holds now."""
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
        row = {"layer": head.layer, "head": head.head, "describer": self._work.describer, "reason": reason}
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
