"""A ledger as it stands at the Hub: its state, and every row in its files."""

from __future__ import annotations

from annotation.ledger.rows import PATH, LedgerError, Row, parsed
from maps.hub.repository import Head, HubDataset


def ledger_head(dataset: HubDataset) -> Head:
    """The state of a ledger, which is made where it is missing; raises LedgerError where it is public."""
    head = dataset.head()
    if head is None:
        dataset.make(private=True)
        head = dataset.head()
    if head is None:
        raise LedgerError(f"The Hub made no dataset {dataset.name} that this token may read; check HF_TOKEN.")
    if not head.private:
        raise LedgerError(f"The dataset {dataset.name} is public; make it private on its page, or name another one.")
    return head


def row_files(head: Head) -> list[str]:
    """The paths of a ledger's rows."""
    return sorted(path for path in head.files if PATH.fullmatch(path))


def read_rows(dataset: HubDataset, head: Head) -> list[Row]:
    """Every row of a ledger, as often as it stands there."""
    found = dataset.read(head, row_files(head))
    return [row for path, content in found.items() for row in parsed(path, content)]
