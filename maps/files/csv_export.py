"""Tables as CSV that a spreadsheet may safely open."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from io import StringIO

import pyarrow as pa

# What a spreadsheet would take for a formula; the wide signs too, which some take for the others.
FORMULA_PATTERN = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")


def table_to_csv(table: pa.Table) -> str:
    """A table as CSV: null is empty, a list's names are joined by `; `, no cell is a formula to a spreadsheet."""
    return rows_to_csv([table.column_names, *(map(spreadsheet_safe_cell, row.values()) for row in table.to_pylist())])


def rows_to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Rows as lines of CSV, which end in CR LF, so that a lone CR in a name is quoted."""
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def spreadsheet_safe_cell(value: object) -> object:
    """A value as a spreadsheet may safely open it; in a list `;` and `\\` of a name get a `\\` in front.

    Text that it would take for a formula gets an apostrophe in front, one more where it has some.
    """
    if isinstance(value, list):
        value = "; ".join(re.sub(r"([\\;])", r"\\\1", str(each)) for each in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and FORMULA_PATTERN.match(value) else value
