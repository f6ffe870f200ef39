"""What is done to a ledger's files later: many made one, and the rows of who withdrew taken out, history included."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from functools import partial

from annotation.errors import LedgerError
from annotation.ledger.compaction import plan_compaction, plan_removal_of_withdrawn
from annotation.ledger.reading import read_or_create_ledger, row_paths
from maps.errors import CommitConflictError
from maps.hub.repository import HubDataset

SQUASH_MARKER = "squash-pending.txt"
SQUASH_MARKER_TEXT = b"Somebody withdrew: the history of this dataset is squashed next, and this file then goes.\n"
CONFLICT_TRIES = 3  # against somebody else's commits


def compact_ledger(dataset: HubDataset, today: date) -> str | None:
    """Makes one file of a day's many, for days that are over since a day; the commit, None where there is none.

    One commit adds the new files and takes the old ones away, and only where nobody else's came between.
    """
    for _ in range(CONFLICT_TRIES):
        head = read_or_create_ledger(dataset)
        add, delete = plan_compaction(head.files, partial(dataset.read_files, head), today)
        if not delete:
            return None
        try:
            return dataset.commit(f"Put {len(delete):,} files together", add, delete, head.commit)
        except CommitConflictError:
            continue
    raise LedgerError(f"Others keep changing {dataset.name}; its files are put together at the next try.")


def forget_withdrawn(dataset: HubDataset, withdrawn: Collection[str]) -> bool:
    """Takes the answers and consents of who withdrew out of the files and the history; False where there are none.

    Three steps: a commit without these rows, in which a marker says that the history still holds them; the squash of
    the history; a commit without the marker. Interrupted between them, it is done from there when repeated.
    """
    for _ in range(CONFLICT_TRIES):
        head = read_or_create_ledger(dataset)
        add, delete = plan_removal_of_withdrawn(dataset.read_files(head, row_paths(head)), withdrawn)
        if not delete and SQUASH_MARKER not in head.files:
            return False
        try:
            if delete:
                dataset.commit(
                    "Leave out who withdrew", {**add, SQUASH_MARKER: SQUASH_MARKER_TEXT}, delete, head.commit
                )
        except CommitConflictError:
            continue
        dataset.squash_history("The ledger without who withdrew")
        dataset.commit("The history is squashed", {}, [SQUASH_MARKER])
        return True
    raise LedgerError(f"Others keep changing {dataset.name}; who withdrew is left out at the next try.")
