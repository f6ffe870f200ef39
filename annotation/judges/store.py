"""The answers of language models to a study's items: a file of JSON lines for each study, beside the studies.

Rows are only ever added, and on disk before the next question is asked. People's answers are elsewhere: in the journal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from annotation.form import Answers, build_judgment
from annotation.types import ITEM_COLUMNS, Judgment, StudyItem
from maps.errors import MapsError

JUDGE_PREFIX = "model:"  # of a judge's name where people have a pseudonym; no pseudonym begins so
Row = dict[str, Any]


def judges_file(data_folder: Path, study: str) -> Path:
    return data_folder / "judges" / f"{study}.jsonl"


def read_rows(path: Path) -> list[Row]:
    """All rows, answers and failures; none without the file. A last line without its end is left out.

    Raises MapsError for any other damage.
    """
    if not path.exists():
        return []
    *lines, _unfinished = path.read_bytes().split(b"\n")
    try:
        rows = [json.loads(line) for line in lines]
        if not all(isinstance(row, dict) and {"judge", *ITEM_COLUMNS} <= row.keys() for row in rows):
            raise ValueError("a line is not a row")
    except ValueError as error:
        raise MapsError(f"{path} is damaged ({error}); repair or delete that line.") from error
    return rows


@contextmanager
def open_writer(path: Path) -> Iterator[Callable[[Row], None]]:
    """Yields a function that stores a row: on disk when it returns. One process writes at a time: see `lock_folder`.

    A last line that a kill left without its end is taken away first, so that the next row begins on a line of its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        unfinished = path.read_bytes().rpartition(b"\n")[2]
        file.truncate(file.tell() - len(unfinished))

        def store(row: Row) -> None:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

        yield store


def item_of_row(row: Row) -> StudyItem:
    return StudyItem(**{name: row[name] for name in ITEM_COLUMNS})


def newest_answers(rows: Sequence[Row], judge: str) -> dict[StudyItem, Row]:
    """A judge's newest usable answer to each item."""
    return {item_of_row(row): row for row in rows if row["judge"] == judge and row.get("presence") is not None}


def judge_answers(rows: Sequence[Row], judge: str) -> list[Judgment]:
    """The same as judgments of an annotator with the judge's name."""
    newest = newest_answers(rows, judge)
    return [_judgment_of_row(item, row, number) for number, (item, row) in enumerate(newest.items())]


def _judgment_of_row(item: StudyItem, row: Row, number: int) -> Judgment:
    moment = datetime.fromisoformat(row["created_at"])
    return build_judgment(
        item,
        Answers(row["presence"], row["precision"], row["category"], row["comment"]),
        judgment_id=f"{row['judge']} {number}",
        annotator=JUDGE_PREFIX + row["judge"],
        started_at=moment,
        submitted_at=moment,
        supersedes=None,
        app_version="",
    )


def judges_of(rows: Sequence[Row]) -> list[str]:
    """The judges with an answer, in the order of their first one."""
    return list(dict.fromkeys(row["judge"] for row in rows if row.get("presence") is not None))
