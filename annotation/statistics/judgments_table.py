"""A table of judgments from any source: checked, and divided into rows that count and rows that do not.

The index of a table from somebody's file is named `row` (`ROW_INDEX`) and has the rows' numbers as a spreadsheet shows
them. Only there do words such as NA stand for a missing value. Rows of other tables are counted from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from annotation.errors import SummaryError
from annotation.form import PRESENCE, QUESTIONS
from annotation.statistics.cells import cell_text, cell_value, parse_boolean, parse_index, unify_whole_numbers
from annotation.types import CONTROL_KINDS, COUNTED_KINDS, ITEM_KINDS, JUDGMENT_COLUMNS, Judgment
from maps.text import join_words

Value = TypeVar("Value")
ROW_INDEX = "row"
ITEM_KEY_COLUMNS = ("study", "model", "layer", "head", "item", "mapping_hash", "description_id")
ANSWER_COLUMNS = ("annotator", *(question.field for question in QUESTIONS))
KNOWN_COLUMNS = frozenset(
    ("judgment_id", "supersedes", "item_kind", "stale", *ANSWER_COLUMNS, *ITEM_KEY_COLUMNS)
)  # what the statistics use
# Columns of ids; those in one group refer to each other.
ID_COLUMNS = (
    ("judgment_id", "supersedes"),
    *((name,) for name in ("item", "annotator", "study", "model", "mapping_hash", "description_id")),
)
EXCLUSION_REASONS = ("superseded", "stale", "control", "practice", "adjudication")


@dataclass(frozen=True)
class CountedJudgments:
    """The judgments that count, and how many others were left out for which reason.

    `rows` has one row a judgment; the column `key` identifies the item and is made of `key_columns`, and `row` numbers
    the row in its file. `controls` and `adjudications` have the same columns and hold the current rows of these kinds,
    which no other figure includes.
    """

    rows: pd.DataFrame
    key_columns: list[str]
    excluded_counts: dict[str, int]
    controls: pd.DataFrame
    adjudications: pd.DataFrame


def judgments_to_frame(judgments: Iterable[Judgment], stale: Collection[str] | None = None) -> pd.DataFrame:
    """Judgments as a table with the columns of the judgments file.

    `stale` holds the ids of the stale judgments; without it the column is null.
    """
    cells = [
        [*(getattr(row, name) for name in JUDGMENT_COLUMNS), None if stale is None else row.judgment_id in stale]
        for row in judgments
    ]
    return pd.DataFrame(cells, columns=[*JUDGMENT_COLUMNS, "stale"], dtype=object)


def _texts(cells: Sequence[object], read_cell: Callable[[object], str | None]) -> list[str | None]:
    """The cells as text; text that occurs often is read once."""
    known = {cell: read_cell(cell) for cell in {cell for cell in cells if isinstance(cell, str)}}
    return [known[cell] if isinstance(cell, str) else read_cell(cell) for cell in cells]


def _text_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The known columns as text, None where a cell is blank, and the column `row`."""
    is_from_file = table.index.name == ROW_INDEX
    read_cell = cell_value if is_from_file else cell_text
    rows = [int(number) for number in (table.index if is_from_file else range(1, len(table) + 1))]
    columns = {name: _texts(table[name].tolist(), read_cell) for name in table.columns if name in KNOWN_COLUMNS}
    for names in ID_COLUMNS:
        present = [name for name in names if name in columns]
        columns |= dict(zip(present, unify_whole_numbers([columns[name] for name in present]), strict=True))
    return pd.DataFrame(columns, dtype=object).assign(row=rows)


def _check_columns(table: pd.DataFrame) -> None:
    present = set(table.columns)
    missing = [name for name in ANSWER_COLUMNS if name not in present]
    if "item" not in present:
        missing += [name for name in ("model", "layer", "head") if name not in present]
    if missing:
        raise SummaryError(
            f"The table has no column {', '.join(missing)}; it needs item (or model, layer, head), annotator, "
            f"{join_words([question.field for question in QUESTIONS])}."
        )
    if "supersedes" in present and "judgment_id" not in present and table["supersedes"].notna().any():
        raise SummaryError("The table has a column supersedes but no column judgment_id; add judgment_id.")


def _check_filled(table: pd.DataFrame, given: pd.DataFrame, names: Iterable[str]) -> None:
    """Raises SummaryError for the first blank cell in one of the columns; `given` has the cells as they were."""
    for name in names:
        blank = table[name].isna().to_numpy()
        if not blank.any():
            continue
        place = int(blank.argmax())
        row, word = table["row"].iloc[place], cell_text(given[name].iloc[place])
        if word is None:
            optional = join_words([question.field for question in QUESTIONS if question.asked_when])
            raise SummaryError(f"Row {row} has no {name}; only {optional} may be blank.")
        allowed = "fill it in, or write it in another way if it is a name"
        if name == PRESENCE.field:
            allowed = f"it must be one of {', '.join(PRESENCE.codes)}"
        raise SummaryError(f"Row {row} has {word!r} as {name}, which stands for a missing value; {allowed}.")


def _check_codes(table: pd.DataFrame, name: str, codes: tuple[str, ...]) -> None:
    unknown = (table[name].notna() & ~table[name].isin(codes)).to_numpy()
    if unknown.any():
        row = table.iloc[int(unknown.argmax())]
        raise SummaryError(f"Row {row['row']} has {row[name]!r} as {name}; it must be one of {', '.join(codes)}.")


def _parse_column(table: pd.DataFrame, name: str, parse: Callable[[str | None], Value], allowed: str) -> list[Value]:
    values = []
    for row, cell in zip(table["row"], table[name].tolist(), strict=True):
        try:
            values.append(parse(cell))
        except ValueError as error:
            raise SummaryError(f"Row {row} has {cell!r} as {name}; it must be {allowed}.") from error
    return values


def _check_table(given: pd.DataFrame) -> pd.DataFrame:
    table = _text_columns(given)
    _check_columns(table)
    item_columns = ["item"] if "item" in table else ["model", "layer", "head"]
    _check_filled(table, given, [*item_columns, "annotator", "presence"])
    for question in QUESTIONS:
        _check_codes(table, question.field, question.codes)
    table["item_kind"] = table["item_kind"].fillna("head") if "item_kind" in table else "head"
    _check_codes(table, "item_kind", ITEM_KINDS)
    for name in sorted({"layer", "head"} & set(table.columns)):
        numbers = _parse_column(table, name, parse_index, "a whole number from 0")
        table[name] = pd.Series(numbers, index=table.index, dtype=object)
    is_marked = "stale" in table
    table["stale"] = _parse_column(table, "stale", parse_boolean, "true, false or blank") if is_marked else False
    if "judgment_id" in table:
        _check_unique_ids(table)
    return table


def _check_unique_ids(table: pd.DataFrame) -> None:
    named = table[table["judgment_id"].notna()]
    repeated = named["judgment_id"].duplicated().to_numpy()
    if repeated.any():
        name = named["judgment_id"].iloc[int(repeated.argmax())]
        rows = named["row"][(named["judgment_id"] == name).to_numpy()]
        raise SummaryError(
            f"The judgment {name} is in the table more than once; keep one of its rows ({_row_words(rows)})."
        )


def _row_words(numbers: Iterable[int]) -> str:
    """`row 3`, `rows 3 and 8`, or `rows 3, 8 and more`."""
    few = [str(number) for number in numbers][:4]
    few = [*few[:3], "more"] if len(few) > 3 else few
    return f"row{'s' if len(few) > 1 else ''} {join_words(few)}"


def _check_supersedes(table: pd.DataFrame) -> None:
    """Refuses circles of answers that supersede each other, and answers that supersede another annotator's.

    An adjudication may supersede the adjudication of another organiser.
    """
    changed = table[table["supersedes"].notna() & table["judgment_id"].notna()]
    earlier = dict(zip(changed["judgment_id"], changed["supersedes"], strict=True))
    rows = dict(zip(changed["judgment_id"], changed["row"], strict=True))
    checked: set[str] = set()
    for start in earlier:
        chain: set[str] = set()
        name: str | None = start
        while name is not None and name not in checked:
            if name in chain:
                raise SummaryError(
                    f"The judgment {name} supersedes itself, directly or through others; correct one of these rows "
                    f"({_row_words(sorted(rows[each] for each in chain))})."
                )
            chain.add(name)
            name = earlier.get(name)
        checked |= chain
    authors = {}
    for name, annotator, kind in zip(table["judgment_id"], table["annotator"], table["item_kind"], strict=True):
        authors[name] = "an organiser" if kind == "adjudication" else annotator
    for name, superseded in earlier.items():
        if authors.get(superseded, authors[name]) != authors[name]:
            raise SummaryError(
                f"The judgment {name} supersedes {superseded}, which another annotator gave; it may only supersede an "
                f"answer of the same annotator (row {rows[name]})."
            )


def _exclusion_reason(kind: str, is_stale: bool) -> str:
    if is_stale:
        return "stale"
    if kind in COUNTED_KINDS:
        return ""
    return "control" if kind in CONTROL_KINDS else kind


def _exclusion_reasons(table: pd.DataFrame) -> list[str]:
    """Why each row is left out, empty if it counts; the first of superseded, stale and its kind."""
    reasons = [_exclusion_reason(kind, stale) for kind, stale in zip(table["item_kind"], table["stale"], strict=True)]
    if "supersedes" not in table or "judgment_id" not in table:
        return reasons
    _check_supersedes(table)
    superseded = set(table["supersedes"].dropna())
    ids = table["judgment_id"].tolist()
    return ["superseded" if name in superseded else reason for name, reason in zip(ids, reasons, strict=True)]


def _key_columns(table: pd.DataFrame) -> list[str]:
    """The columns that identify an item; where the table has a column item, layer and head only describe it."""
    descriptive = ("layer", "head") if "item" in table else ()
    return [name for name in ITEM_KEY_COLUMNS if name in table and name not in descriptive]


def _check_one_answer_per_item(rows: pd.DataFrame, key_columns: list[str]) -> None:
    repeated = rows[rows.duplicated(["key", "annotator"])]
    if len(repeated):
        row = repeated.iloc[0]
        item = ", ".join(f"{name} {row[name]}" for name in key_columns if row[name] is not None)
        same = rows[(rows["key"] == row["key"]) & (rows["annotator"] == row["annotator"])]
        raise SummaryError(
            f"The annotator {row['annotator']} answers an item more than once ({item}); a changed answer must name the "
            f"earlier one in supersedes ({_row_words(same['row'])})."
        )


def select_counted_judgments(table: pd.DataFrame) -> CountedJudgments:
    """Checks a table of judgments and keeps the rows that count, in their order.

    Needs the columns item (or model, layer, head), annotator, presence, precision and category; uses the other columns
    of the judgments file if they are there. Raises SummaryError for missing columns, unknown codes, rows without an
    item, annotator or presence, and an annotator with two current answers to one item.
    """
    checked = _check_table(table)
    reasons = _exclusion_reasons(checked)
    key_columns = _key_columns(checked)
    items = list(checked[key_columns].itertuples(index=False, name=None))
    texts = {item: repr(item) for item in set(items)}  # one text for all rows of an item
    checked["key"] = pd.Series([texts[item] for item in items], dtype=object)

    def rows_with(reason: str) -> pd.DataFrame:
        selected = np.array([each == reason for each in reasons], dtype=bool)
        return checked[selected].reset_index(drop=True)

    rows = rows_with("")
    _check_one_answer_per_item(rows, key_columns)
    excluded_counts = {reason: reasons.count(reason) for reason in EXCLUSION_REASONS}
    return CountedJudgments(rows, key_columns, excluded_counts, rows_with("control"), rows_with("adjudication"))
