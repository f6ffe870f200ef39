"""Describes an atlas's heads and keeps every answer: on disk when it arrives, in the tables at the end of the run."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa

from maps.asking import describe_heads, finished
from maps.atlas import Atlas, write_file, write_table
from maps.card import atlas_card
from maps.describers import Describer
from maps.prompts import mapping_hash
from maps.tables import SCHEMAS, Row, description_row
from maps.types import Answer, HeadId, Mapping, MapsError

PENDING = "{table}.pending.jsonl"  # rows that are not in their table yet


class Run(NamedTuple):
    """What a run of a describer did: heads asked now, heads failed now, patterns seen and heads in all."""

    asked: int
    failed: int
    patterns: int
    heads: int


def describe_atlas(folder: Path, describer: Describer, concurrency: int = 1) -> Run:
    """Describes every head whose current mappings the describer has not described yet.

    Rows of an earlier run that was cut off are taken over first, so nothing is asked twice.
    """
    atlas = Atlas.open(folder)
    for table in ("descriptions", "failures"):
        merge(atlas, table)
    mapped = atlas.every_mapping()
    hashes = {head: mapping_hash(mappings) for head, mappings in mapped.items()}
    known = [row for row in atlas.descriptions() if row["describer"] == describer.name]
    already = {head for row in known if hashes.get(head := HeadId(row["layer"], row["head"])) == row["mapping_hash"]}
    try:
        asked, failed = ask(
            atlas, describer, [(head, mapped[head]) for head in atlas.ids if head not in already], hashes, concurrency
        )
    finally:
        for table in ("descriptions", "failures"):
            merge(atlas, table)
    now = [row for row in atlas.descriptions() if row["describer"] == describer.name]
    return Run(asked, failed, sum(row["pattern"] for row in now), len(atlas.ids))


def ask(
    atlas: Atlas,
    describer: Describer,
    todo: list[tuple[HeadId, list[Mapping]]],
    hashes: dict[HeadId, str],
    concurrency: int,
) -> tuple[int, int]:
    """Asks about the heads that are left, with a bar; returns how many were described and how many failed."""
    from tqdm import tqdm

    if not todo:
        return 0, 0
    counts = {"descriptions": 0, "failures": 0}
    earlier = Counter(
        HeadId(row["layer"], row["head"])
        for row in atlas.table("descriptions", ["layer", "head", "describer"]).to_pylist()
        if row["describer"] == describer.name
    )
    with (
        pending(atlas, "descriptions").open("a", encoding="utf-8") as described,
        pending(atlas, "failures").open("a", encoding="utf-8") as failed,
        tqdm(total=len(todo), unit="head", desc="describing", dynamic_ncols=True) as bar,
    ):

        def keep(file: IO[str], table: str, row: Row) -> None:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
            counts[table] += 1
            bar.update()

        def on_answer(head: HeadId, answer: Answer) -> None:
            row = description_row(head, describer.name, answer, {"mapping_hash": hashes[head]})
            name = identity(atlas.model, row, earlier[head])
            keep(described, "descriptions", {**row, "description_id": name, "created_at": now()})

        def on_failure(head: HeadId, reason: str, attempts: int) -> None:
            row = {"layer": head.layer, "head": head.head, "describer": describer.name, "reason": reason}
            keep(failed, "failures", {**row, "attempts": attempts, "created_at": now()})

        asking = describe_heads(todo, describer, on_answer=on_answer, on_failure=on_failure, concurrency=concurrency)
        finished(asking)
    return counts["descriptions"], counts["failures"]


def identity(model: str, row: Row, asking: int) -> str:
    """A description's id: a hash of what was said of which mappings, and of how often the describer said so before.

    A deterministic describer gives the same ids on every machine, so judgments stay with what they judged.
    """
    content = json.dumps([model, asking, sorted(row.items())], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def now() -> str:
    """The time in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat()


def pending(atlas: Atlas, table: str) -> Path:
    """Where rows wait for their table."""
    return atlas.folder / PENDING.format(table=table)


def merge(atlas: Atlas, table: str) -> None:
    """Moves waiting rows into their table. Done twice after a crash it changes nothing: rows are told by their id."""
    path = pending(atlas, table)
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").split("\n")
    rows = [parsed(line, path) for line in lines[:-1] if line]  # what follows the last newline was cut off
    if rows:
        times = [{**row, "created_at": datetime.fromisoformat(row["created_at"])} for row in rows]
        added = pa.Table.from_pylist(times, schema=SCHEMAS[table])
        stored = atlas.table(table).to_pylist()
        joined = pa.Table.from_pylist([*stored, *(r for r in added.to_pylist() if r not in stored)], SCHEMAS[table])
        write_table(atlas.folder, table, joined)
        write_file(atlas.folder / "README.md", atlas_card(atlas.info, atlas.tables).encode())
    path.unlink()


def parsed(line: str, path: Path) -> Row:
    """One waiting row."""
    try:
        row: Row = json.loads(line)
    except ValueError as error:
        raise MapsError(f"{path} is damaged ({error}); mend or delete it, then run the command again.") from error
    return row
