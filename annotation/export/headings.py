"""The headings of somebody's table: which columns they mean, whether they are there, and which program made them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from annotation.errors import DatasetError
from annotation.statistics.judgments_table import ANSWER_COLUMNS, KNOWN_COLUMNS
from maps.text import shorten

FEWEST_HEADINGS = 2  # a row with so many known headings is a row of headings
MAX_QUOTED_LENGTH = 60
IGNORED_HEADING = re.compile(r"(unnamed: ?\d+.*|__index_level_\d+__)?", re.IGNORECASE)  # an index that pandas wrote
EXAMPLE = (
    "a table with one row for each item and annotator, such as item,annotator,presence,precision,category in the first "
    "row and 17,ana,present_described,accurate,semantic in the next"
)
# Columns that only this program's exports have.
MARKS = {
    "Mechanical Turk": re.compile(r"HITId|WorkerId|Answer\..*"),
    "Prodigy": re.compile(r"_(input|task)_hash|_(annotator|session)_id"),
    "Potato": re.compile(r"label_annotations|span_annotations|displayed_text|instance_id.*|.*:::.*"),
    "Argilla": re.compile(r".*\.responses(\..*)?|.*[.-]suggestion(\..*)?|responses|_server_id|annotation_agent"),
    "Label Studio": re.compile(r"annotation_id|annotations|completions|lead_time|total_annotations|completed_by"),
}


def column_name(heading: object) -> str:
    """The known column that a heading means: `Judgment ID ` and `judgment-id` are `judgment_id`. Else the heading."""
    text = str(heading).strip(" \t\r\n\u00a0\u200b\ufeff")
    name = re.sub(r"[\s_-]+", "_", text).casefold()
    return name if name in KNOWN_COLUMNS else text


def known_headings(headings: Iterable[object]) -> set[str]:
    """The known columns among the headings."""
    return {column_name(heading) for heading in headings} & KNOWN_COLUMNS


def is_ignored(heading: str) -> bool:
    """Whether a column is the index of a data frame or has no name, as spreadsheets leave them behind."""
    return IGNORED_HEADING.fullmatch(heading.strip()) is not None


def check_headings(
    path: Path, headings: tuple[int, Sequence[object]], rows: Iterable[tuple[int, Sequence[object]]]
) -> None:
    """Raises DatasetError if the headings are not in the first row but in one of the given rows, with its number."""
    number, cells = headings
    if len(known_headings(cells)) >= FEWEST_HEADINGS:
        return
    for row, others in rows:
        if len(known_headings(others)) >= FEWEST_HEADINGS:
            title = shorten(next((str(cell) for cell in cells if str(cell).strip()), ""), MAX_QUOTED_LENGTH)
            raise DatasetError(
                f"Row {number} of {path} is {title!r}, and the headings are in row {row}; delete the rows above them."
            )


def check_program(path: Path, columns: Sequence[str]) -> None:
    """Raises DatasetError if columns are missing and the others are those of an annotation program's export."""
    if set(ANSWER_COLUMNS) <= set(columns) and ("item" in columns or {"model", "layer", "head"} <= set(columns)):
        return
    for program, mark in MARKS.items():
        if any(mark.fullmatch(name) for name in columns):
            raise DatasetError(
                f"{path} looks like an export of {program}, which cannot be read as it is; give {EXAMPLE}."
            )


def check_unique(path: Path, columns: Sequence[str]) -> None:
    """Raises DatasetError if a known column is there twice."""
    counts = Counter(columns)
    for name in columns:
        if counts[name] > 1 and name in KNOWN_COLUMNS:
            raise DatasetError(f"{path} has a column twice: {name}.")
