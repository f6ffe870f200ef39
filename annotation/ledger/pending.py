"""What is to be published next, fixed on disk before the first try, so that a second try sends the very same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from annotation.journal.sync import Kind
from annotation.ledger.rows import KINDS, LedgerError, files_of
from annotation.types import Unpublished
from maps.files.atomic import replacing

BYTES = "surrogateescape"  # so that any content fits into JSON
SINGULAR: dict[str, Kind] = {
    "judgments": "judgment",
    "consents": "consent",
    "withdrawals": "withdrawal",
    "openings": "opening",
}


@dataclass(frozen=True)
class Batch:
    """Files by path, and the ids of the rows in them by kind."""

    files: Mapping[str, bytes]
    rows: Mapping[str, tuple[str, ...]]

    @property
    def size(self) -> int:
        """The number of rows."""
        return sum(map(len, self.rows.values()))


def batch_of(rows: Unpublished, others: Mapping[str, bytes]) -> Batch:
    """Rows as files, with `others` beside them."""
    files: dict[str, bytes] = {}
    ids = {}
    for kind in KINDS:
        of_kind = getattr(rows, kind)
        files |= files_of(of_kind)
        ids[kind] = tuple(row.row_id for row in of_kind)
    return Batch({**files, **others}, ids)


class PendingFile:
    """The batch of one journal that is not confirmed yet; absent where there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, batch: Batch) -> None:
        """On disk when it returns, or not at all; raises OSError."""
        files = {path: content.decode(errors=BYTES) for path, content in batch.files.items()}
        text = json.dumps({"files": files, "rows": batch.rows})
        with replacing(self.path) as file:
            file.write(text.encode())

    def read(self) -> Batch | None:
        """The batch that was not confirmed; raises LedgerError where the file cannot be read."""
        try:
            found = json.loads(self.path.read_bytes())
            files = {str(path): str(text).encode(errors=BYTES) for path, text in found["files"].items()}
            rows = {kind: tuple(map(str, found["rows"].get(kind, ()))) for kind in KINDS}  # older releases know fewer
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LedgerError(f"{self.path} is damaged; delete it: its rows are still in the journal.") from error
        return Batch(files, rows)

    def remove(self) -> None:
        """Nothing is pending any more."""
        self.path.unlink(missing_ok=True)


def is_within(batch: Batch, rows: Unpublished) -> bool:
    """Whether all rows of a batch are among those of a ledger."""
    return all(set(batch.rows[kind]) <= {row.row_id for row in getattr(rows, kind)} for kind in KINDS)
