"""Reads a ledger from the Hub: its state and all rows in its files."""

from __future__ import annotations

from annotation.errors import LedgerError
from annotation.ledger.rows import ROW_FILE_PATH, parse_rows
from annotation.types import LedgerRow
from maps.hub.repository import HubDataset, RepositoryState


def read_or_create_ledger(dataset: HubDataset) -> RepositoryState:
    """The state of a ledger; creates the dataset if it is missing, and raises LedgerError if it is public."""
    state = dataset.read_state()
    if state is None:
        dataset.create(private=True)
        state = dataset.read_state()
    if state is None:
        raise LedgerError(f"The token cannot read the dataset {dataset.name}; check HF_TOKEN.")
    if not state.is_private:
        raise LedgerError(f"The dataset {dataset.name} is public; make it private on its page, or use another one.")
    return state


def row_paths(state: RepositoryState) -> list[str]:
    return sorted(path for path in state.files if ROW_FILE_PATH.fullmatch(path))


def read_ledger_rows(dataset: HubDataset, state: RepositoryState) -> list[LedgerRow]:
    """All rows of a ledger; a row that is in two files occurs twice."""
    contents = dataset.read_files(state, row_paths(state))
    return [row for path, content in contents.items() for row in parse_rows(path, content)]
