"""Reads CSV as programs save it: separated by commas, semicolons or tabs, in UTF-8 or UTF-16, with blank rows.

Rows are numbered as a spreadsheet shows them: the first is row 1, blank rows count, and a line break within quotation
marks starts no row. A first line `sep=;` is for Excel, which does not show it, so it has no number.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from itertools import islice
from pathlib import Path

import pandas as pd

from annotation.errors import DatasetError
from annotation.export.headings import check_headings, is_ignored, known_headings
from annotation.statistics.judgments_table import ROW_INDEX
from maps.files.csv_export import unescape_formula
from maps.text import pluralize

SEPARATORS = (",", ";", "\t")
SEPARATOR_LINE = re.compile(r'"?sep=(?P<mark>[^"\r\n])"?(?P<saved_with>[,;\t])*(?:\r\n|\r|\n|$)', re.IGNORECASE)
START = 65_536  # characters in which the headings are looked for
FIRST_ROWS = 20
Row = tuple[int, list[str]]  # its number and its cells


def read_csv(path: Path) -> pd.DataFrame:
    """The table with all cells as text and the escaping of formulas removed; the index `row` numbers the rows.

    Raises DatasetError if the file is empty, in another encoding, or has a row that does not fit the headings.
    """
    text, separator = _split_separator_line(_decode(path))
    rows = _rows(path, text, separator or _guess_separator(text))
    start = list(islice(rows, FIRST_ROWS))
    if not start:
        raise DatasetError(f"{path} is empty.")
    check_headings(path, start[0], start[1:])
    (heading_row, headings), *first = start
    headings = headings[: max(place for place, name in enumerate(headings, start=1) if name.strip())]
    places = [place for place, name in enumerate(headings) if not is_ignored(name)]
    numbers: list[int] = []
    columns: list[list[str]] = [[] for _ in places]
    known: dict[str, str] = {}  # equal cells share one string: most cells of a large table repeat
    for chunk in (first, rows):
        for number, cells in chunk:
            _check_length(path, number, cells, heading_row, headings)
            numbers.append(number)
            for place, column in zip(places, columns, strict=True):
                cell = unescape_formula(cells[place])
                column.append(known.setdefault(cell, cell))
    frame = pd.DataFrame(dict(enumerate(columns)), index=pd.Index(numbers, name=ROW_INDEX, dtype=int), dtype=object)
    return frame.set_axis([headings[place] for place in places], axis=1)


def _decode(path: Path) -> str:
    content = path.read_bytes()
    encoding = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"  # "Unicode text" of Excel
    elif b"\0" in content[:2]:
        encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = StringIO(content[: error.start].decode(encoding, errors="replace"), newline="")
        row = sum(1 for _ in csv.reader(before)) or 1
        raise DatasetError(f"{path} is not in UTF-8 (see row {row}); save it again as UTF-8.") from error


def _split_separator_line(text: str) -> tuple[str, str | None]:
    """The text without a first line such as `sep=;`, and the separator that it names."""
    match = SEPARATOR_LINE.match(text)
    if match is None:
        return text, None
    return text[match.end() :], match["saved_with"] or match["mark"]  # saved again, the line has cells of its own


def _guess_separator(text: str) -> str:
    """The separator with which a row has the most known headings; a comma if none has any."""
    return max(SEPARATORS, key=lambda separator: _count_headings(text[:START], separator))


def _count_headings(text: str, separator: str) -> int:
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
    try:
        return max((len(known_headings(cells)) for cells in islice(reader, FIRST_ROWS)), default=0)
    except csv.Error:
        return 0


def _rows(path: Path, text: str, separator: str) -> Iterator[Row]:
    """The rows that are not blank."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            if any(cell.strip() for cell in cells):
                yield number, cells
    except csv.Error as error:
        raise DatasetError(
            f"{path} cannot be read: {error} in row {number + 1}; look there for a quotation mark without its partner."
        ) from error


def _check_length(path: Path, number: int, cells: Sequence[str], heading_row: int, headings: Sequence[str]) -> None:
    """Raises DatasetError unless there is a cell for each heading; more cells must be blank."""
    if len(cells) < len(headings) or any(cell.strip() for cell in cells[len(headings) :]):
        raise DatasetError(
            f"Row {number} of {path} has {pluralize(len(cells), 'cell')}, but row {heading_row} has "
            f"{pluralize(len(headings), 'heading')}; correct row {number}."
        )
