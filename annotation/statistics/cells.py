"""What a cell of somebody's table means: nothing, a whole number, an id, true or false.

Programs write the same value in different ways. A missing value is empty, `NA` (R), `nan` or `None` (Python), `#N/A`
(Excel) or `NULL` (databases). A column of numbers with a gap becomes decimals in pandas: 105 is then 105.0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pandas as pd

MISSING_WORDS = frozenset(("na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat"))
LONGEST_MISSING_WORD = max(map(len, MISSING_WORDS))
WHOLE_DECIMAL = re.compile(r"(-?[0-9]+)(?:[.,]0+)?")  # 3, 3.0, or 3,0 where a comma separates decimals
WHOLE_EXPONENT = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+[0-9]{1,2}")  # 1e+05, as R writes 100000
BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}


def cell_text(cell: object) -> str | None:
    """A cell as text without surrounding white space; None if it is empty."""
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float | np.floating) and np.isnan(cell)):
        return None
    if isinstance(cell, bytes):
        return cell.decode(errors="replace").strip() or None
    return str(cell).strip() or None


def is_missing_word(text: str) -> bool:
    """Whether the text is what a program writes for a missing value, such as NA."""
    return len(text) <= LONGEST_MISSING_WORD and text.casefold() in MISSING_WORDS


def cell_value(cell: object) -> str | None:
    """A cell as text without surrounding white space; None if it is empty or stands for a missing value."""
    text = cell_text(cell)
    return None if text is None or is_missing_word(text) else text


def whole_number_text(text: str) -> str | None:
    """`105` for 105, 105.0 and 1.05e+02; None for text that is not a whole number. Leading zeros stay."""
    if match := WHOLE_DECIMAL.fullmatch(text):
        return match[1]
    if WHOLE_EXPONENT.fullmatch(text) and (number := Decimal(text)) == number.to_integral_value():
        return str(int(number))
    return None


def unify_whole_numbers(columns: Sequence[Sequence[str | None]]) -> list[list[str | None]]:
    """Columns of ids that refer to each other, with 105.0 as 105 wherever it is the same id.

    It is where every id is a whole number, and where 105 is an id too. Among other ids it may be a name of its own:
    1.0 next to 1.1 stays as it is.
    """
    ids = {cell for column in columns for cell in column if cell is not None}
    numbers = {cell: number for cell in ids if (number := whole_number_text(cell)) is not None}
    if len(numbers) < len(ids):
        numbers = {cell: number for cell, number in numbers.items() if number in ids}
    return [[None if cell is None else numbers.get(cell, cell) for cell in column] for column in columns]


def parse_index(text: str | None) -> int | None:
    """A whole number from 0 to 999,999,999, None for an empty cell; raises ValueError for other text."""
    number = None if text is None else whole_number_text(text)
    if text is not None and (number is None or not number.isdecimal() or len(number) > 9):
        raise ValueError(text)
    return None if number is None else int(number)


def parse_boolean(text: str | None) -> bool:
    """Whether the cell says yes, in the ways in which programs say it; empty is no. Raises ValueError."""
    if text is None:
        return False
    word = (whole_number_text(text) or text).lower()
    if word not in BOOLEANS:
        raise ValueError(text)
    return BOOLEANS[word]
