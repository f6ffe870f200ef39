"""CSV files that a spreadsheet can open without running a cell as a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from io import StringIO

import pyarrow as pa

# Spreadsheets run cells that begin with these as formulas; some also run the full-width signs. A cell that begins with
# apostrophes before such a sign gets one more, so that `unescape_formula` can restore every text.
FORMULA_PATTERN = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")


def table_to_csv(table: pa.Table) -> str:
    """A table as CSV with a header; see `spreadsheet_safe_cell`."""
    return rows_to_csv([table.column_names, *(map(spreadsheet_safe_cell, row.values()) for row in table.to_pylist())])


def rows_to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV. Lines end in CR LF; with LF alone, a lone CR in a cell would not be quoted."""
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def spreadsheet_safe_cell(value: object) -> object:
    """A value for a CSV cell: `true` or `false`, lists as `a; b` (with `\\;` for a semicolon in a name), safe text."""
    if isinstance(value, list):
        value = "; ".join(re.sub(r"([\\;])", r"\\\1", str(each)) for each in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape_formula(value) if isinstance(value, str) else value


def escape_formula(text: str) -> str:
    """Puts an apostrophe before text that a spreadsheet would run as a formula: `=1+1` becomes `'=1+1`."""
    return f"'{text}" if FORMULA_PATTERN.match(text) else text


def unescape_formula(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and FORMULA_PATTERN.match(cell) else cell
