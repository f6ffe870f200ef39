"""Later changes of a ledger: merging small files, and removing withdrawn annotators from the files and the history."""

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
SQUASH_MARKER_TEXT = (
    b"An annotator withdrew: the history of this dataset is squashed next, then this file is deleted.\n"
)
CONFLICT_TRIES = 3  # when somebody else commits in between


def compact_ledger(dataset: HubDataset, today: date) -> str | None:
    """Merges the files of past days; returns the commit, None if there was nothing to merge.

    One commit adds the new files and deletes the old ones; it fails if somebody else committed in between.
    """
    for _ in range(CONFLICT_TRIES):
        state = read_or_create_ledger(dataset)
        add, delete = plan_compaction(state.files, partial(dataset.read_files, state), today)
        if not delete:
            return None
        try:
            return dataset.commit(f"Merge {len(delete):,} files", add, delete, state.commit)
        except CommitConflictError:
            continue
    raise LedgerError(f"Others keep changing {dataset.name}; its files will be merged later.")


def forget_withdrawn(dataset: HubDataset, withdrawn: Collection[str]) -> bool:
    """Removes the answers and consents of withdrawn annotators from the files and the history; False without any.

    Three steps: a commit without these rows and with a marker file, which says that the history still contains them;
    squashing the history; a commit without the marker. After an interruption the next call continues from there.
    """
    for _ in range(CONFLICT_TRIES):
        state = read_or_create_ledger(dataset)
        add, delete = plan_removal_of_withdrawn(dataset.read_files(state, row_paths(state)), withdrawn)
        if not delete and SQUASH_MARKER not in state.files:
            return False
        try:
            if delete:
                dataset.commit(
                    "Remove withdrawn annotators", {**add, SQUASH_MARKER: SQUASH_MARKER_TEXT}, delete, state.commit
                )
        except CommitConflictError:
            continue
        dataset.squash_history("The ledger without withdrawn annotators")
        dataset.commit("The history is squashed", {}, [SQUASH_MARKER])
        return True
    raise LedgerError(f"Others keep changing {dataset.name}; withdrawn annotators will be removed later.")
