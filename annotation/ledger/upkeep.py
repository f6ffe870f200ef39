"""Reads a ledger on the Hub and changes it later: merges small files, and removes withdrawn annotators from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial

from annotation.errors import LedgerError
from annotation.ledger import rows as ledger_rows
from annotation.types import LedgerRow, Withdrawal
from maps.errors import CommitConflictError
from maps.hub.repository import HubDataset, HubFile, RepositoryState

SQUASH_MARKER = "squash-pending.txt"
SQUASH_MARKER_TEXT = (
    b"An annotator withdrew: the history of this dataset is squashed next, then this file is deleted.\n"
)
COMPACTION_DELAY = timedelta(days=1)  # files of a day may still arrive on the next day
FileReader = Callable[[Sequence[str]], Mapping[str, bytes]]  # paths -> contents by path
FileChanges = tuple[dict[str, bytes], list[str]]
CONFLICT_TRIES = 3  # when somebody else commits in between


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
    return sorted(path for path in state.files if ledger_rows.ROW_FILE_PATH.fullmatch(path))


def read_ledger_rows(dataset: HubDataset, state: RepositoryState) -> list[LedgerRow]:
    """All rows of a ledger; a row that is in two files occurs twice."""
    return read_row_files(dataset, state, row_paths(state))


def read_row_files(dataset: HubDataset, state: RepositoryState, paths: Iterable[str]) -> list[LedgerRow]:
    contents = dataset.read_files(state, paths)
    return [row for path, content in contents.items() for row in ledger_rows.parse_rows(path, content)]


def read_withdrawn_annotators(dataset: HubDataset) -> set[str]:
    """Who has withdrawn by the ledger's newest commit; nobody if there is no ledger. Reads only those files."""
    state = dataset.read_state()
    paths = [path for path in row_paths(state) if path.startswith("withdrawals/")] if state else []
    rows = read_row_files(dataset, state, paths) if state else []
    return {row.annotator for row in rows if isinstance(row, Withdrawal)}


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


def find_fragmented_days(files: Mapping[str, HubFile], today: date) -> list[list[str]]:
    """The groups of files, each of one kind and day, that should be merged.

    A group needs more files than its size justifies, and its day must have been over for `COMPACTION_DELAY`.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in sorted(files):
        match = ledger_rows.ROW_FILE_PATH.fullmatch(path)
        if match and date.fromisoformat(match[2].replace("/", "-")) < today - COMPACTION_DELAY:
            groups[match[1], match[2]].append(path)
    half = ledger_rows.MAX_FILE_BYTES // 2
    return [paths for paths in groups.values() if len(paths) > 1 + sum(files[path].size for path in paths) // half]


def plan_compaction(files: Mapping[str, HubFile], read: FileReader, today: date) -> FileChanges:
    """The files to add and the paths to delete, so that each day's rows are in as few files as possible, each once."""
    add: dict[str, bytes] = {}
    delete: list[str] = []
    for paths in find_fragmented_days(files, today):
        rows = ledger_rows.merge_rows(
            row for path, content in read(paths).items() for row in ledger_rows.parse_rows(path, content)
        )
        kind = paths[0].partition("/")[0]
        new = ledger_rows.files_from_rows(getattr(rows, kind))
        add |= {path: content for path, content in new.items() if path not in files}
        delete += [path for path in paths if path not in new]
    return add, delete


def plan_removal_of_withdrawn(contents: Mapping[str, bytes], withdrawn: Collection[str]) -> FileChanges:
    """The files to add and the paths to delete, so that no answer and no consent of a withdrawn annotator is left.

    Withdrawn are `withdrawn` and those whose withdrawal is in the files.
    """
    add: dict[str, bytes] = {}
    delete: list[str] = []
    rows_by_path = {path: ledger_rows.parse_rows(path, content) for path, content in contents.items()}
    rows_of_all = [row for rows in rows_by_path.values() for row in rows]
    everybody = {*withdrawn, *(row.annotator for row in rows_of_all if isinstance(row, Withdrawal))}
    for path, rows in rows_by_path.items():
        kept = [row for row in rows if is_kept(row, everybody)]
        if len(kept) < len(rows):
            add |= ledger_rows.files_from_rows(kept)
            delete.append(path)
    return add, delete


def is_kept(row: LedgerRow, withdrawn: Collection[str]) -> bool:
    """Whether a row stays: of annotators who withdrew, only the withdrawal does."""
    return ledger_rows.row_kind(row) == "withdrawals" or ledger_rows.row_annotator(row) not in withdrawn
