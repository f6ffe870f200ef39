"""An atlas in which every head has invented words of its own, wherever a describer's words or marks may be."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import SCHEMAS, Row, head_of, make_table
from maps.types import HeadId
from space.atlases.names import PREBUILT_FOLDER

MODEL = "SmolLM2-135M-Instruct"
SCRIBE = "acme/scribe"
PLACES = (
    *("observed_pattern", "input_strings", "reasoning", "scribe", "failure", "score", "detection", "check"),
    *("prediction", "pattern"),
)


def word_of(head: HeadId, place: str = PLACES[0]) -> str:
    """A word of letters that nothing else contains and that no misspelling leads to."""
    digest = hashlib.sha256(f"{head} {place}".encode()).hexdigest()[:14]
    return "".join(chr(ord("a") + int(digit, 16)) for digit in digest)


def words_of(head: HeadId) -> set[str]:
    return {word_of(head, place) for place in PLACES}


def make_described_atlas(folder: Path) -> Atlas:
    """A copy of the prebuilt atlas with two describers, whose every word about a head is one of `words_of`."""
    shutil.copytree(PREBUILT_FOLDER / "smollm2", folder)
    atlas = Atlas.open(folder)
    rows = [row | described(row) for row in atlas.table("descriptions").to_pylist()]
    words = {row["description_id"]: head_of(row) for row in rows}
    tables = {"descriptions": [*rows, *map(scribes_row, rows)]}
    tables["checks"] = [row | {"check": word_of(head_of(row), "check")} for row in atlas.table("checks").to_pylist()]
    tables["failures"] = [fill_row("failures", row, "failure") for row in rows]
    tables["scores"] = [fill_row("scores", row, "score") for row in rows]
    tables["detections"] = [fill_row("detections", row, "detection", shown_id=row["description_id"]) for row in rows]
    ids = list(words)
    # Asked about a head, the scorer was shown the description of the next one too.
    tables["detections"] += [
        fill_row("detections", row, "detection", shown_id=ids[(number + 1) % len(ids)])
        for number, row in enumerate(rows)
    ]
    tables["predictions"] = [fill_row("predictions", row, "prediction") for row in rows]
    rows = atlas.table("patterns").to_pylist()
    tables["patterns"] = [row | described(row, "pattern") for row in rows]
    for name, content in tables.items():
        write_table(folder, name, make_table(name, content))
    return Atlas.open(folder)


def described(row: Row, only: str = "") -> Row:
    return {place: word_of(head_of(row), only or place) for place in ("observed_pattern", "input_strings", "reasoning")}


def scribes_row(row: Row) -> Row:
    """Another describer's row, which sees no pattern where the first does."""
    changes: dict[str, Any] = {
        "describer": SCRIBE,
        "description_id": row["description_id"][::-1],
        "observed_pattern": word_of(head_of(row), "scribe"),
        "input_strings": "",
        "reasoning": "",
        "pattern": not row["pattern"],
    }
    return row | changes


def fill_row(name: str, row: Row, place: str, **changes: Any) -> Row:
    """A row of a table about a head, with the head's word as its reason."""
    values: Row = {
        "describer": row["describer"],
        "scorer": "acme/scorer",
        "decoys": "layer",
        "writer": "acme/writer",
        "sources": [word_of(head_of(row), place)],
        "predicted": [word_of(head_of(row), place)],
        "pairs": 0,
        "others": 0,
        "attempts": 1,
        "n": 10,
        "seed": 0,
        "detection": 0.75,
        "detection_low": 0.6,
        "detection_high": 0.9,
        "detection_swapped": 0.5,
        "description_id": row["description_id"],
        "created_at": datetime(2026, 11, 25, tzinfo=UTC),
        "reason": word_of(head_of(row), place),
        **head_of(row)._asdict(),
        **changes,
    }
    return {column: values.get(column) for column in SCHEMAS[name].names}
