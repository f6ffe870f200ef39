"""What is done to a ledger's files later: many made one, and the rows of who withdrew taken out, history included."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from functools import partial

from annotation.ledger.compaction import compacted, without
from annotation.ledger.reading import ledger_head, row_files
from annotation.ledger.rows import LedgerError
from maps.errors import ChangedError
from maps.hub.repository import HubDataset

SQUASH = "squash-pending.txt"
SQUASH_TEXT = b"Somebody withdrew: the history of this dataset is squashed next, and this file then goes.\n"
TRIES = 3  # against somebody else's commits


def compact(dataset: HubDataset, today: date) -> str | None:
    """Makes one file of a day's many, for days that are over since a day; the commit, None where there is none.

    One commit adds the new files and takes the old ones away, and only where nobody else's came between.
    """
    for _ in range(TRIES):
        head = ledger_head(dataset)
        add, delete = compacted(head.files, partial(dataset.read, head), today)
        if not delete:
            return None
        try:
            return dataset.commit(f"Put {len(delete):,} files together", add, delete, head.commit)
        except ChangedError:
            continue
    raise LedgerError(f"Others keep changing {dataset.name}; its files are put together at the next try.")


def forget(dataset: HubDataset, withdrawn: Collection[str]) -> bool:
    """Takes the answers and consents of who withdrew out of the files and the history; False where there are none.

    Three steps: a commit without these rows, in which a marker says that the history still holds them; the squash of
    the history; a commit without the marker. Interrupted between them, it is done from there when repeated.
    """
    for _ in range(TRIES):
        head = ledger_head(dataset)
        add, delete = without(dataset.read(head, row_files(head)), withdrawn)
        if not delete and SQUASH not in head.files:
            return False
        try:
            if delete:
                dataset.commit("Leave out who withdrew", {**add, SQUASH: SQUASH_TEXT}, delete, head.commit)
        except ChangedError:
            continue
        dataset.squash("The ledger without who withdrew")
        dataset.commit("The history is squashed", {}, [SQUASH])
        return True
    raise LedgerError(f"Others keep changing {dataset.name}; who withdrew is left out at the next try.")
