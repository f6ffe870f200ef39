"""A table of judgments from any source: checked, and divided into rows that count and rows that do not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from annotation.errors import SummaryError
from annotation.form import QUESTIONS
from annotation.types import CONTROL_KINDS, COUNTED_KINDS, ITEM_KINDS, JUDGMENT_COLUMNS, Judgment
from maps.text import join_words

ITEM_KEY_COLUMNS = ("study", "model", "layer", "head", "item", "mapping_hash", "description_id")
ANSWER_COLUMNS = ("annotator", *(question.field for question in QUESTIONS))
WHOLE_NUMBER = re.compile(r"(\d{1,9})(\.0+)?")  # 3 or 3.0, as pandas writes a column with gaps
EXCLUSION_REASONS = ("superseded", "stale", "control", "practice", "adjudication")
BOOLEAN_WORDS = {"true": True, "false": False, "1": True, "0": False, None: False}  # blank: not checked


@dataclass(frozen=True)
class CountedJudgments:
    """The judgments that count, and how many others were left out for which reason.

    `rows` has one row a judgment; the column `key` identifies the item and is made of `key_columns`. `controls` and
    `adjudications` have the same columns and hold the current rows of these kinds, which no other figure includes.
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


def _clean_cell(cell: object) -> str | None:
    """A cell as text without surrounding white space; None if it is blank."""
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and np.isnan(cell)):
        return None
    return str(cell).strip() or None


def _text_columns(table: pd.DataFrame) -> pd.DataFrame:
    known = {"judgment_id", "supersedes", "item_kind", "stale", *ANSWER_COLUMNS, *ITEM_KEY_COLUMNS}
    columns = {name: [_clean_cell(cell) for cell in table[name].tolist()] for name in table.columns if name in known}
    return pd.DataFrame(columns, dtype=object)


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


def _check_filled(table: pd.DataFrame, names: Iterable[str]) -> None:
    for name in names:
        if table[name].isna().any():
            row = int(table[name].isna().to_numpy().argmax()) + 1
            optional = join_words([question.field for question in QUESTIONS if question.asked_when])
            raise SummaryError(f"Row {row} has no {name}; only {optional} may be blank.")


def _check_codes(table: pd.DataFrame, name: str, codes: tuple[str, ...]) -> None:
    unknown = (table[name].notna() & ~table[name].isin(codes)).to_numpy()
    if unknown.any():
        row = int(unknown.argmax())
        raise SummaryError(
            f"Row {row + 1} has {table[name].iloc[row]!r} as {name}; it must be one of {', '.join(codes)}."
        )


def _parse_whole_numbers(table: pd.DataFrame, name: str) -> list[int | None]:
    numbers: list[int | None] = []
    for row, cell in enumerate(table[name].tolist(), start=1):
        match = WHOLE_NUMBER.fullmatch(cell) if cell is not None else None
        if cell is not None and match is None:
            raise SummaryError(f"Row {row} has {cell!r} as {name}; it must be a whole number from 0.")
        numbers.append(int(match[1]) if match else None)
    return numbers


def _parse_booleans(table: pd.DataFrame, name: str) -> list[bool]:
    values: list[bool] = []
    for row, cell in enumerate(table[name].tolist(), start=1):
        word = cell if cell is None else cell.lower()
        if word not in BOOLEAN_WORDS:
            raise SummaryError(f"Row {row} has {cell!r} as {name}; it must be true, false or blank.")
        values.append(BOOLEAN_WORDS[word])
    return values


def _check_table(table: pd.DataFrame) -> pd.DataFrame:
    table = _text_columns(table)
    _check_columns(table)
    item_columns = ["item"] if "item" in table else ["model", "layer", "head"]
    _check_filled(table, [*item_columns, "annotator", "presence"])
    for question in QUESTIONS:
        _check_codes(table, question.field, question.codes)
    table["item_kind"] = table["item_kind"].fillna("head") if "item_kind" in table else "head"
    _check_codes(table, "item_kind", ITEM_KINDS)
    for name in {"layer", "head"} & set(table.columns):
        table[name] = pd.Series(_parse_whole_numbers(table, name), index=table.index, dtype=object)
    table["stale"] = _parse_booleans(table, "stale") if "stale" in table else False
    if "judgment_id" in table:
        ids = table["judgment_id"].dropna()
        if ids.duplicated().any():
            name = ids[ids.duplicated()].iloc[0]
            raise SummaryError(f"The judgment {name} is in the table more than once; keep one of its rows.")
    return table


def _check_supersedes(table: pd.DataFrame) -> None:
    """Refuses circles of answers that supersede each other, and answers that supersede another annotator's.

    An adjudication may supersede the adjudication of another organiser.
    """
    changed = table[table["supersedes"].notna() & table["judgment_id"].notna()]
    earlier = dict(zip(changed["judgment_id"], changed["supersedes"], strict=True))
    checked: set[str] = set()
    for start in earlier:
        chain: set[str] = set()
        name: str | None = start
        while name is not None and name not in checked:
            if name in chain:
                raise SummaryError(
                    f"The judgment {name} supersedes itself, directly or through others; correct one of these rows."
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
                "answer of the same annotator."
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
        raise SummaryError(
            f"The annotator {row['annotator']} answers an item more than once ({item}); a changed answer must name the "
            "earlier one in supersedes."
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
    keys = [repr(cells) for cells in checked[key_columns].itertuples(index=False, name=None)]
    checked["key"] = pd.Series(keys, dtype=object)

    def rows_with(reason: str) -> pd.DataFrame:
        selected = np.array([each == reason for each in reasons], dtype=bool)
        return checked[selected].reset_index(drop=True)

    rows = rows_with("")
    _check_one_answer_per_item(rows, key_columns)
    excluded_counts = {reason: reasons.count(reason) for reason in EXCLUSION_REASONS}
    return CountedJudgments(rows, key_columns, excluded_counts, rows_with("control"), rows_with("adjudication"))
