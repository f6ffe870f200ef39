"""What is to be published next, fixed on disk before the first try, so that a second try sends the very same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from annotation.errors import LedgerError
from annotation.journal.sync import RowKind
from annotation.ledger.rows import ROW_KINDS, files_from_rows
from annotation.types import LedgerRows
from maps.files.atomic import atomic_writer

DECODE_ERRORS = "surrogateescape"  # so that any content fits into JSON
SINGULAR_KINDS: dict[str, RowKind] = {
    "judgments": "judgment",
    "consents": "consent",
    "withdrawals": "withdrawal",
    "openings": "opening",
}


@dataclass(frozen=True)
class PublicationBatch:
    """Files by path, and the ids of the rows in them by kind."""

    files: Mapping[str, bytes]
    row_ids: Mapping[str, tuple[str, ...]]

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return sum(map(len, self.row_ids.values()))


def build_batch(rows: LedgerRows, other_files: Mapping[str, bytes]) -> PublicationBatch:
    """Rows as files, with `other_files` beside them."""
    files: dict[str, bytes] = {}
    ids = {}
    for kind in ROW_KINDS:
        of_kind = getattr(rows, kind)
        files |= files_from_rows(of_kind)
        ids[kind] = tuple(row.row_id for row in of_kind)
    return PublicationBatch({**files, **other_files}, ids)


class PendingFile:
    """The batch of one journal that is not confirmed yet; absent where there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, batch: PublicationBatch) -> None:
        """On disk when it returns, or not at all; raises OSError."""
        files = {path: content.decode(errors=DECODE_ERRORS) for path, content in batch.files.items()}
        text = json.dumps({"files": files, "rows": batch.row_ids})
        with atomic_writer(self.path) as file:
            file.write(text.encode())

    def read(self) -> PublicationBatch | None:
        """The batch that was not confirmed; raises LedgerError where the file cannot be read."""
        try:
            found = json.loads(self.path.read_bytes())
            files = {str(path): str(text).encode(errors=DECODE_ERRORS) for path, text in found["files"].items()}
            rows = {
                kind: tuple(map(str, found["rows"].get(kind, ()))) for kind in ROW_KINDS
            }  # older releases know fewer
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LedgerError(f"{self.path} is damaged; delete it: its rows are still in the journal.") from error
        return PublicationBatch(files, rows)

    def remove(self) -> None:
        """Nothing is pending any more."""
        self.path.unlink(missing_ok=True)


def is_batch_in_rows(batch: PublicationBatch, rows: LedgerRows) -> bool:
    """Whether all rows of a batch are among those of a ledger."""
    return all(set(batch.row_ids[kind]) <= {row.row_id for row in getattr(rows, kind)} for kind in ROW_KINDS)
