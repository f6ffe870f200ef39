"""A ledger as it stands at the Hub: its state, and every row in its files."""

from __future__ import annotations

from annotation.errors import LedgerError
from annotation.ledger.rows import ROW_FILE_PATH, parse_rows
from annotation.types import LedgerRow
from maps.hub.repository import HubDataset, RepositoryState


def read_or_create_ledger(dataset: HubDataset) -> RepositoryState:
    """The state of a ledger, which is made where it is missing; raises LedgerError where it is public."""
    head = dataset.read_state()
    if head is None:
        dataset.create(private=True)
        head = dataset.read_state()
    if head is None:
        raise LedgerError(f"The Hub made no dataset {dataset.name} that this token may read; check HF_TOKEN.")
    if not head.is_private:
        raise LedgerError(f"The dataset {dataset.name} is public; make it private on its page, or name another one.")
    return head


def row_paths(state: RepositoryState) -> list[str]:
    """The paths of a ledger's rows."""
    return sorted(path for path in state.files if ROW_FILE_PATH.fullmatch(path))


def read_ledger_rows(dataset: HubDataset, state: RepositoryState) -> list[LedgerRow]:
    """Every row of a ledger, as often as it stands there."""
    found = dataset.read_files(state, row_paths(state))
    return [row for path, content in found.items() for row in parse_rows(path, content)]
