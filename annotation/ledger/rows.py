"""Rows of the ledger and the lines of its files: compact JSON with sorted keys, one schema for each kind of row."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from annotation.errors import LedgerError
from annotation.form import QUESTIONS
from annotation.types import (
    Consent,
    Ending,
    Judgment,
    LedgerRow,
    LedgerRows,
    Opening,
    StoredJudgment,
    StudyChange,
    Withdrawal,
)

MAX_FILE_BYTES = 5_000_000  # the Hub stores larger files apart, where squashing the history does not delete them
CELL_TYPES = {"layer": int, "head": int, "seconds": float}
NULLABLE_COLUMNS = (
    *(question.field for question in QUESTIONS if question.asked_when),
    "supersedes",
    "ended_by",
    "flag",
    "ends_at",
)
LATER_COLUMNS = ("flag",)  # rows from before they existed lack them
JUDGMENTS = "judgments"
# The kinds of row whose columns are simply the fields of their class.
FLAT_ROW_CLASSES = {
    "consents": Consent,
    "withdrawals": Withdrawal,
    "openings": Opening,
    "endings": Ending,
    "changes": StudyChange,
}
COLUMNS_BY_KIND: dict[str, tuple[str, ...]] = {
    JUDGMENTS: ("stored_at", *(field.name for field in fields(Judgment))),
    **{kind: tuple(field.name for field in fields(row)) for kind, row in FLAT_ROW_CLASSES.items()},
}
ROW_KINDS = tuple(COLUMNS_BY_KIND)
ROW_FILE_PATH = re.compile(rf"({'|'.join(ROW_KINDS)})/(\d{{4}}/\d\d/\d\d)/[^/]+\.jsonl")
KIND_BY_CLASS: dict[type, str] = {StoredJudgment: JUDGMENTS, **{row: kind for kind, row in FLAT_ROW_CLASSES.items()}}


def is_time_column(name: str) -> bool:
    return name.endswith("_at")


def row_time(row: LedgerRow) -> datetime:
    """The time that decides in which file a row goes."""
    if isinstance(row, StoredJudgment):
        return row.stored_at
    if isinstance(row, Consent):
        return row.consented_at
    if isinstance(row, Opening):
        return row.opened_at
    if isinstance(row, StudyChange):
        return row.changed_at
    return row.ended_at if isinstance(row, Ending) else row.withdrawn_at


def row_annotator(row: LedgerRow) -> str | None:
    """The annotator whose row it is; None for a decision about a study."""
    if isinstance(row, StoredJudgment):
        return row.judgment.annotator
    return None if isinstance(row, Opening | Ending | StudyChange) else row.annotator


def row_kind(row: LedgerRow) -> str:
    """The kind of a row, which is also the name of its folder."""
    return KIND_BY_CLASS[type(row)]


def _json_cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value


def json_line(row: LedgerRow) -> bytes:
    """A row as one line of JSON, with its line break."""
    values = {**vars(row.judgment), "stored_at": row.stored_at} if isinstance(row, StoredJudgment) else vars(row)
    cells = {name: _json_cell(values[name]) for name in COLUMNS_BY_KIND[row_kind(row)]}
    text = json.dumps(cells, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def files_from_rows(rows: Sequence[LedgerRow], max_bytes: int = MAX_FILE_BYTES) -> dict[str, bytes]:
    """Rows of one kind as files by path; equal rows always give equal paths and bytes.

    A file has at most `max_bytes` bytes (more only for one long row). Its name contains the time of its newest row and
    a hash of its content, so that two writers never use one name for different contents.
    """
    parts: list[list[LedgerRow]] = []
    size = max_bytes
    for row in rows:
        size += len(json_line(row))
        if size > max_bytes:
            parts.append([])
            size = len(json_line(row))
        parts[-1].append(row)
    return dict(_file_from_rows(part) for part in parts)


def _file_from_rows(rows: Sequence[LedgerRow]) -> tuple[str, bytes]:
    content = b"".join(map(json_line, rows))
    newest = max(map(row_time, rows)).astimezone(UTC)
    name = hashlib.sha256(content).hexdigest()[:16]
    return f"{row_kind(rows[0])}/{newest:%Y/%m/%d}/{newest:%Y%m%dT%H%M%SZ}-{name}.jsonl", content


def _parse_cell(name: str, value: Any) -> Any:
    """A cell as the row's class holds it; raises ValueError if it has another type."""
    if value is None and name in NULLABLE_COLUMNS:
        return None
    kind = CELL_TYPES.get(name, str)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(name)
    if not is_time_column(name):
        return value
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError(name)
    return moment


def _parse_row(kind: str, cells: Mapping[str, Any]) -> LedgerRow:
    names = [name for name in COLUMNS_BY_KIND[kind] if name in cells or name not in LATER_COLUMNS]
    values = {name: _parse_cell(name, cells[name]) for name in names}
    if kind in FLAT_ROW_CLASSES:
        return FLAT_ROW_CLASSES[kind](**values)
    stored_at = values.pop("stored_at")
    return StoredJudgment(Judgment(**values), stored_at)


def parse_rows(path: str, content: bytes) -> list[LedgerRow]:
    """The rows of a file; unknown columns are ignored. Raises LedgerError naming the damaged line."""
    kind = path.partition("/")[0]
    rows = []
    for number, text in enumerate(content.split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            rows.append(_parse_row(kind, json.loads(text)))
        except (ValueError, KeyError, TypeError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
            raise LedgerError(
                f"Line {number} of {path} in the ledger is damaged; correct or delete it on the Hub."
            ) from error
    return rows


def merge_rows(rows: Iterable[LedgerRow]) -> LedgerRows:
    """The rows by kind, each once, in the order of their times; a judgment comes after the one that it supersedes."""
    by_id: dict[str, dict[str, Any]] = {kind: {} for kind in ROW_KINDS}
    for row in sorted(rows, key=lambda row: (row_time(row), row.row_id)):
        by_id[row_kind(row)].setdefault(row.row_id, row)
    judgments = tuple(_order_by_supersedes(tuple(by_id[JUDGMENTS].values())))
    return LedgerRows(judgments, **{kind: tuple(by_id[kind].values()) for kind in FLAT_ROW_CLASSES})


def _order_by_supersedes(rows: Sequence[StoredJudgment]) -> list[StoredJudgment]:
    """The rows in the given order, except that superseded rows move before those that supersede them.

    The times alone can be wrong after a clock was set back.
    """
    by_id = {row.row_id: row for row in rows}
    ordered: dict[str, StoredJudgment] = {}
    for row in rows:
        chain = [row]  # from this row back to the first answer; a circle ends at the length of `rows`
        while (earlier := by_id.get(chain[-1].judgment.supersedes or "")) is not None and len(chain) <= len(rows):
            chain.append(earlier)
        for earlier_row in reversed(chain):
            ordered.setdefault(earlier_row.row_id, earlier_row)
    return list(ordered.values())
