"""Rows of the ledger ⇄ lines of its files: compact JSON with sorted keys, one schema a kind."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from annotation.types import Consent, Judgment, Opening, Stored, Unpublished, Withdrawal
from maps.errors import MapsError

Row = Stored | Consent | Withdrawal | Opening
LARGEST_FILE = 5_000_000  # bytes; the Hub keeps larger files where deleting them from the history does not reach
TYPES = {"layer": int, "head": int, "seconds": float}
MAY_BE_NULL = ("precision", "category", "supersedes")
JUDGMENTS = "judgments"
FLAT = {"consents": Consent, "withdrawals": Withdrawal, "openings": Opening}  # whose columns are the fields of the row
COLUMNS: dict[str, tuple[str, ...]] = {
    JUDGMENTS: ("stored_at", *(field.name for field in fields(Judgment))),
    **{kind: tuple(field.name for field in fields(row)) for kind, row in FLAT.items()},
}
KINDS = tuple(COLUMNS)
PATH = re.compile(rf"({'|'.join(KINDS)})/(\d{{4}}/\d\d/\d\d)/[^/]+\.jsonl")
FOLDERS: dict[type, str] = {Stored: JUDGMENTS, **{row: kind for kind, row in FLAT.items()}}


class LedgerError(MapsError):
    """What keeps the ledger from being read or written, in one plain sentence."""


def is_time(name: str) -> bool:
    """Whether a column holds times."""
    return name.endswith("_at")


def when(row: Row) -> datetime:
    """The time by which a row is filed: when it was stored, agreed, withdrawn or opened."""
    if isinstance(row, Stored):
        return row.stored_at
    if isinstance(row, Consent):
        return row.consented_at
    return row.withdrawn_at if isinstance(row, Withdrawal) else row.opened_at


def annotator_of(row: Row) -> str:
    """Whose row it is."""
    if isinstance(row, Stored):
        return row.judgment.annotator
    return row.organiser if isinstance(row, Opening) else row.annotator


def kind_of(row: Row) -> str:
    """The folder of a row."""
    return FOLDERS[type(row)]


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value


def line(row: Row) -> bytes:
    """A row as one line, its end included."""
    values = {**vars(row.judgment), "stored_at": row.stored_at} if isinstance(row, Stored) else vars(row)
    cells = {name: _cell(values[name]) for name in COLUMNS[kind_of(row)]}
    text = json.dumps(cells, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def files_of(rows: Sequence[Row], largest: int = LARGEST_FILE) -> dict[str, bytes]:
    """Rows of one kind as files by path; the same rows always make the same paths and bytes.

    A file has at most `largest` bytes (more only for one long row). It is named by its newest row's time and by its
    content: two writers never take one name for two contents.
    """
    parts: list[list[Row]] = []
    size = largest
    for row in rows:
        size += len(line(row))
        if size > largest:
            parts.append([])
            size = len(line(row))
        parts[-1].append(row)
    return dict(_file(part) for part in parts)


def _file(rows: Sequence[Row]) -> tuple[str, bytes]:
    content = b"".join(map(line, rows))
    newest = max(map(when, rows)).astimezone(UTC)
    name = hashlib.sha256(content).hexdigest()[:16]
    return f"{kind_of(rows[0])}/{newest:%Y/%m/%d}/{newest:%Y%m%dT%H%M%SZ}-{name}.jsonl", content


def _value(name: str, value: Any) -> Any:
    """A cell as the row holds it; raises ValueError where it is of another type."""
    if value is None and name in MAY_BE_NULL:
        return None
    kind = TYPES.get(name, str)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(name)
    if not is_time(name):
        return value
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError(name)
    return moment


def _row(kind: str, cells: Mapping[str, Any]) -> Row:
    values = {name: _value(name, cells[name]) for name in COLUMNS[kind]}
    if kind in FLAT:
        return FLAT[kind](**values)
    stored_at = values.pop("stored_at")
    return Stored(Judgment(**values), stored_at)


def parsed(path: str, content: bytes) -> list[Row]:
    """The rows of a file; columns that this release does not know are passed over.

    Raises LedgerError naming the line that is none.
    """
    kind = path.partition("/")[0]
    rows = []
    for number, text in enumerate(content.split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            rows.append(_row(kind, json.loads(text)))
        except (ValueError, KeyError, TypeError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
            raise LedgerError(
                f"Line {number} of {path} in the ledger is damaged; mend it on the Hub, or take it out there."
            ) from error
    return rows


def merged(rows: Iterable[Row]) -> Unpublished:
    """The rows by kind, each once, in the order of their times, a judgment after the one that it supersedes."""
    kept: dict[str, dict[str, Row]] = {kind: {} for kind in KINDS}
    for row in sorted(rows, key=lambda row: (when(row), row.row_id)):
        kept[kind_of(row)].setdefault(row.row_id, row)
    return Unpublished(
        judgments=tuple(_chained([row for row in kept["judgments"].values() if isinstance(row, Stored)])),
        consents=tuple(row for row in kept["consents"].values() if isinstance(row, Consent)),
        withdrawals=tuple(row for row in kept["withdrawals"].values() if isinstance(row, Withdrawal)),
        openings=tuple(row for row in kept["openings"].values() if isinstance(row, Opening)),
    )


def _chained(rows: Sequence[Stored]) -> list[Stored]:
    """In the given order but for rows that stand before what they supersede, as after a clock that jumped."""
    by_id = {row.row_id: row for row in rows}
    placed: dict[str, Stored] = {}
    for row in rows:
        chain = [row]
        while (earlier := by_id.get(chain[-1].judgment.supersedes or "")) is not None and len(chain) <= len(rows):
            chain.append(earlier)
        for each in reversed(chain):
            placed.setdefault(each.row_id, each)
    return list(placed.values())
