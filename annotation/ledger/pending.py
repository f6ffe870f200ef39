"""The next publication, written to disk before the first try, so that every try sends the same bytes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from annotation.errors import LedgerError
from annotation.journal.sync import RowKind
from annotation.ledger.rows import ROW_FILE_PATH, ROW_KINDS, files_from_rows, parse_rows
from annotation.ledger.upkeep import is_kept
from annotation.types import LedgerRow, LedgerRows
from maps.files.atomic import atomic_writer

DECODE_ERRORS = "surrogateescape"  # any bytes fit into JSON this way
SINGULAR_KINDS: dict[str, RowKind] = {
    "judgments": "judgment",
    "consents": "consent",
    "withdrawals": "withdrawal",
    "openings": "opening",
    "endings": "ending",
    "changes": "change",
}


@dataclass(frozen=True)
class PublicationBatch:
    """Files by path, and the ids of the rows in them by kind."""

    files: Mapping[str, bytes]
    row_ids: Mapping[str, tuple[str, ...]]

    @property
    def row_count(self) -> int:
        return sum(map(len, self.row_ids.values()))

    @cached_property
    def rows(self) -> list[LedgerRow]:
        contents = self.files.items()
        return [row for path, content in contents if ROW_FILE_PATH.fullmatch(path) for row in parse_rows(path, content)]

    def holds_rows_of(self, withdrawn: Collection[str]) -> bool:
        """Whether it has answers or consents of these annotators."""
        return bool(withdrawn) and not all(is_kept(row, withdrawn) for row in self.rows)


def build_batch(rows: LedgerRows, other_files: Mapping[str, bytes]) -> PublicationBatch:
    files: dict[str, bytes] = {}
    ids = {}
    for kind in ROW_KINDS:
        rows_of_kind = getattr(rows, kind)
        files |= files_from_rows(rows_of_kind)
        ids[kind] = tuple(row.row_id for row in rows_of_kind)
    return PublicationBatch({**files, **other_files}, ids)


class PendingFile:
    """The file with the batch that is not confirmed yet; it is absent if there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, batch: PublicationBatch) -> None:
        """Writes the batch to disk, whole or not at all; raises OSError."""
        files = {path: content.decode(errors=DECODE_ERRORS) for path, content in batch.files.items()}
        text = json.dumps({"files": files, "rows": batch.row_ids})
        with atomic_writer(self.path) as file:
            file.write(text.encode())

    def read(self) -> PublicationBatch | None:
        """The batch that was not confirmed, None without one; raises LedgerError if the file cannot be read."""
        try:
            content = json.loads(self.path.read_bytes())
            files = {str(path): str(text).encode(errors=DECODE_ERRORS) for path, text in content["files"].items()}
            rows = {kind: tuple(map(str, content["rows"].get(kind, ()))) for kind in ROW_KINDS}
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LedgerError(f"{self.path} is damaged; delete it, its rows are still in the journal.") from error
        return PublicationBatch(files, rows)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def is_batch_in_rows(batch: PublicationBatch, rows: LedgerRows) -> bool:
    return all(set(batch.row_ids[kind]) <= {row.row_id for row in getattr(rows, kind)} for kind in ROW_KINDS)
