"""A table of judgments from anywhere → checked rows, those that count, and what was left out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from annotation.errors import SummaryError
from annotation.form import QUESTIONS
from annotation.types import CONTROL_KINDS, COUNTED_KINDS, ITEM_KINDS, JUDGMENT_COLUMNS, Judgment

ITEM_KEY_COLUMNS = ("study", "model", "layer", "head", "item", "mapping_hash", "description_id")
WHOLE_NUMBER = re.compile(r"(\d{1,9})(\.0+)?")
EXCLUSION_REASONS = ("superseded", "stale", "control", "practice", "adjudication")
BOOLEAN_WORDS = {"true": True, "false": False, "1": True, "0": False, None: False}  # blank: nobody looked


@dataclass(frozen=True)
class CountedJudgments:
    """The judgments that count, and how many others were left out, by why.

    `rows` has one row a judgment, `key` telling items apart; `key_columns` names the columns that `key` is made of.
    `controls` and `adjudications` hold the current rows of these kinds in the same form: they count nowhere but where
    they are asked for.
    """

    rows: pd.DataFrame
    key_columns: list[str]
    excluded_counts: dict[str, int]
    controls: pd.DataFrame
    adjudications: pd.DataFrame


def judgments_to_frame(judgments: Iterable[Judgment], stale: Collection[str] | None = None) -> pd.DataFrame:
    """Judgments as a table with the columns of the judgments file; `stale` are the ids of the stale ones, if known."""
    cells = [
        [*(getattr(row, name) for name in JUDGMENT_COLUMNS), None if stale is None else row.judgment_id in stale]
        for row in judgments
    ]
    return pd.DataFrame(cells, columns=[*JUDGMENT_COLUMNS, "stale"], dtype=object)


def _clean_cell(cell: object) -> str | None:
    """A cell as text without surrounding white space; None where it is blank."""
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and np.isnan(cell)):
        return None
    return str(cell).strip() or None


def _text_columns(table: pd.DataFrame) -> pd.DataFrame:
    names = {
        "judgment_id",
        "supersedes",
        "item_kind",
        "stale",
        "annotator",
        *(q.field for q in QUESTIONS),
        *ITEM_KEY_COLUMNS,
    }
    columns = {name: [_clean_cell(cell) for cell in table[name].tolist()] for name in table.columns if name in names}
    return pd.DataFrame(columns, dtype=object)


def _check_columns(table: pd.DataFrame) -> None:
    present = set(table.columns)
    missing = [name for name in ("annotator", *(q.field for q in QUESTIONS)) if name not in present]
    if "item" not in present:
        missing += [name for name in ("model", "layer", "head") if name not in present]
    if missing:
        raise SummaryError(
            f"The table has no column {', '.join(missing)}; it needs item (or model, layer, head), annotator, "
            "presence, precision and category."
        )
    if "supersedes" in present and "judgment_id" not in present and table["supersedes"].notna().any():
        raise SummaryError("The table has supersedes but no judgment_id, so it cannot be told what is superseded.")


def _check_filled(table: pd.DataFrame, names: Iterable[str]) -> None:
    for name in names:
        if table[name].isna().any():
            row = int(table[name].isna().to_numpy().argmax()) + 1
            raise SummaryError(f"Row {row} has no {name}; only precision and category may be blank.")


def _check_codes(table: pd.DataFrame, name: str, codes: tuple[str, ...]) -> None:
    unknown = (table[name].notna() & ~table[name].isin(codes)).to_numpy()
    if unknown.any():
        row = int(unknown.argmax())
        raise SummaryError(
            f"Row {row + 1} has {table[name].iloc[row]!r} as {name}; it must be one of {', '.join(codes)}."
        )


def _parse_whole_numbers(table: pd.DataFrame, name: str) -> list[int | None]:
    """Layers or heads as whole numbers, however they were written (3, 3.0)."""
    found: list[int | None] = []
    for row, cell in enumerate(table[name].tolist(), start=1):
        match = WHOLE_NUMBER.fullmatch(cell) if cell is not None else None
        if cell is not None and match is None:
            raise SummaryError(f"Row {row} has {cell!r} as {name}; it must be a whole number from 0.")
        found.append(int(match[1]) if match else None)
    return found


def _parse_booleans(table: pd.DataFrame, name: str) -> list[bool]:
    found: list[bool] = []
    for row, cell in enumerate(table[name].tolist(), start=1):
        known = cell if cell is None else cell.lower()
        if known not in BOOLEAN_WORDS:
            raise SummaryError(f"Row {row} has {cell!r} as {name}; it must be true, false or blank.")
        found.append(BOOLEAN_WORDS[known])
    return found


def _check_table(table: pd.DataFrame) -> pd.DataFrame:
    table = _text_columns(table)
    _check_columns(table)
    item = ["item"] if "item" in table else ["model", "layer", "head"]
    _check_filled(table, [*item, "annotator", "presence"])
    for question in QUESTIONS:
        _check_codes(table, question.field, question.codes)
    if "item_kind" in table:
        table["item_kind"] = table["item_kind"].fillna("head")
        _check_codes(table, "item_kind", ITEM_KINDS)
    for name in {"layer", "head"} & set(table.columns):
        table[name] = pd.Series(_parse_whole_numbers(table, name), index=table.index, dtype=object)
    table["stale"] = _parse_booleans(table, "stale") if "stale" in table else False
    if "judgment_id" in table and table["judgment_id"].dropna().duplicated().any():
        twice = table["judgment_id"][table["judgment_id"].duplicated() & table["judgment_id"].notna()].iloc[0]
        raise SummaryError(f"The judgment {twice} stands in the table more than once; keep one row of it.")
    return table


def _check_supersedes(table: pd.DataFrame, kinds: list[str]) -> None:
    """A changed answer names an earlier one of the same annotator, or of any organiser where both are adjudications."""
    changed = table[table["supersedes"].notna() & table["judgment_id"].notna()]
    earlier = dict(zip(changed["judgment_id"], changed["supersedes"], strict=True))
    sound: set[str] = set()
    for start in earlier:
        chain: dict[str, None] = {}  # in order
        name: str | None = start
        while name is not None and name not in sound:
            if name in chain:
                raise SummaryError(
                    f"The judgment {name} supersedes itself, at once or by others; one of them must not."
                )
            chain[name] = None
            name = earlier.get(name)
        sound.update(chain)
    makers = {
        name: "an organiser" if kind == "adjudication" else who
        for name, who, kind in zip(table["judgment_id"], table["annotator"], kinds, strict=True)
    }
    for name, before in earlier.items():
        if makers.get(before, makers[name]) != makers[name]:
            raise SummaryError(f"The judgment {name} supersedes {before}, which is another annotator's.")


def _exclusion_reasons(table: pd.DataFrame) -> list[str]:
    """Why each row is left out, or an empty string; a superseded control is superseded, a stale one stale."""
    kinds = table["item_kind"].tolist() if "item_kind" in table else ["head"] * len(table)
    reasons = ["" if kind in COUNTED_KINDS else "control" if kind in CONTROL_KINDS else kind for kind in kinds]
    reasons = ["stale" if gone else reason for gone, reason in zip(table["stale"], reasons, strict=True)]
    if "supersedes" not in table or "judgment_id" not in table:
        return reasons
    _check_supersedes(table, kinds)
    replaced = set(table["supersedes"].dropna())
    return [
        "superseded" if name in replaced else reason for name, reason in zip(table["judgment_id"], reasons, strict=True)
    ]


def _key_columns(table: pd.DataFrame) -> list[str]:
    """The columns that make an item; a table's own items have layer and head as properties."""
    own = ("layer", "head") if "item" in table else ()
    return [name for name in ITEM_KEY_COLUMNS if name in table and name not in own]


def _check_one_answer_per_item(rows: pd.DataFrame, key_columns: list[str]) -> None:
    twice = rows[rows.duplicated(["key", "annotator"])]
    if len(twice):
        row = twice.iloc[0]
        which = ", ".join(f"{name} {row[name]}" for name in key_columns if row[name] is not None)
        raise SummaryError(
            f"The annotator {row['annotator']} answers an item more than once ({which}); a changed answer must "
            "name the earlier one in supersedes."
        )


def select_counted_judgments(table: pd.DataFrame) -> CountedJudgments:
    """Checks a table of judgments and keeps the rows that count, in their order.

    Needs item (or model, layer, head), annotator, presence, precision, category; takes the other columns of
    the judgments file where they are. Raises SummaryError for missing columns, unknown codes, rows without an
    item, annotator or presence, and an annotator with two current answers to one item.
    """
    whole = _check_table(table)
    reasons = _exclusion_reasons(whole)
    parts = _key_columns(whole)
    whole["key"] = pd.Series(list(map(repr, whole[parts].itertuples(index=False, name=None))), dtype=object)
    why = pd.Series(reasons, dtype=object)
    rows, controls, adjudications = (
        whole[(why == reason).to_numpy(dtype=bool)].reset_index(drop=True) for reason in ("", "control", "adjudication")
    )
    _check_one_answer_per_item(rows, parts)
    left_out = {reason: reasons.count(reason) for reason in EXCLUSION_REASONS}
    return CountedJudgments(rows, parts, left_out, controls, adjudications)
