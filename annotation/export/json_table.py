"""Reads tables in JSON: a list of objects, or an object on each line (JSON lines). Each object is a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from annotation.errors import DatasetError
from annotation.export.headings import EXAMPLE
from annotation.statistics.judgments_table import ROW_INDEX


def read_json(path: Path) -> pd.DataFrame:
    """The rows of a list of objects, or of an object of columns as pandas writes it; numbered from 1."""
    rows = _parse(path, _read_text(path), "")
    if isinstance(rows, dict):
        columns = {name: column for name, column in rows.items() if isinstance(column, dict)}
        keys = dict.fromkeys(key for column in columns.values() for key in column)
        is_table = bool(columns) and len(columns) == len(rows)
        rows = [{name: column.get(key) for name, column in columns.items()} for key in keys] if is_table else [rows]
    return _frame(path, enumerate(rows if isinstance(rows, list) else [rows], start=1), "Entry")


def read_json_lines(path: Path) -> pd.DataFrame:
    """The rows of a file with an object on each line; a row has the number of its line."""
    lines = enumerate(_read_text(path).split("\n"), start=1)
    return _frame(path, ((n, _parse(path, line, f" in line {n}")) for n, line in lines if line.strip()), "Line")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not in UTF-8; save it again as UTF-8.") from error


def _parse(path: Path, text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} cannot be read: it is not valid JSON{place}.") from error


def _frame(path: Path, rows: Iterator[tuple[int, Any]], place: str) -> pd.DataFrame:
    numbers, objects = [], []
    for number, row in rows:
        if not isinstance(row, dict):
            raise DatasetError(
                f"{place} {number} of {path} is not an object with a value for each column; give {EXAMPLE}."
            )
        numbers.append(number)
        objects.append(row)
    if not objects:
        raise DatasetError(f"{path} is empty.")
    columns = {
        name: [row.get(name) for row in objects] for name in dict.fromkeys(key for row in objects for key in row)
    }
    return pd.DataFrame(columns, index=pd.Index(numbers, name=ROW_INDEX), dtype=object)
