"""The ledger: a private dataset on the Hub with every row of the journal, so that a lost disk loses no answer.

Rows are added as files whose names and bytes are fixed before the first try, so sending them twice adds them once.
Withdrawals go first. Answers of somebody who has withdrawn are not sent any more, not even in a fixed file.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from annotation.errors import LedgerError, WithdrawnMeanwhileError
from annotation.journal.journal import Journal
from annotation.journal.study_changes import deleted_studies
from annotation.ledger import upkeep
from annotation.ledger.card import ledger_card
from annotation.ledger.conflicts import split_acceptable
from annotation.ledger.pending import SINGULAR_KINDS, PendingFile, PublicationBatch, build_batch, is_batch_in_rows
from annotation.ledger.rows import ROW_FILE_PATH, files_from_rows, merge_rows, row_annotator, row_time
from annotation.ledger.status import LedgerStatus, unpublished_sentences
from annotation.types import LedgerRow, LedgerRows, Withdrawal
from maps.errors import MapsError
from maps.files.atomic import atomic_writer
from maps.hub.repository import HubDataset, RepositoryState, content_digest
from maps.text import pluralize

STUDY_PATH = re.compile(r"studies/[a-z0-9][a-z0-9-]{0,39}\.json")
PENDING_FILE_NAME = "ledger.pending.json"
CONFLICTS_NOTE = "conflicts"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class HubLedger:
    """The ledger of one journal. `data_folder` contains the studies and the pending publication.

    Methods that use the network take turns, raise MapsError, and keep its message for `status`. `status` and
    `closed_reason` never wait.
    """

    def __init__(
        self, dataset: HubDataset, journal: Journal, data_folder: Path, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self.dataset, self._journal, self._now = dataset, journal, now
        self._studies = data_folder / "studies"
        self._pending_file = PendingFile(data_folder / PENDING_FILE_NAME)
        self._lock = threading.RLock()
        self._file_digests: dict[str, str] = {}  # of the ledger's files, by path, as last seen
        self._pending: PublicationBatch | None = None
        self.is_restored = False  # whether the ledger has been read since the app started
        self.is_forget_due = False  # whether rows of a withdrawn annotator may be in it
        self._published_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._commit: str | None = None
        self._error: str | None = None
        self._notes: dict[str, str] = {}
        self._next_try_at: datetime | None = None

    @contextmanager
    def _exclusive_turn(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except MapsError as error:
                self.note_error(str(error))
                raise
            except OSError as error:
                path, reason = error.filename or "A file of the ledger", error.strerror or error
                self.note_error(f"{path} cannot be written or read: {reason}.")
                raise LedgerError(self._error) from error
            self._error = self._failed_at = None

    def note_error(self, error: str) -> None:
        """Keeps an error message for `status`."""
        self._error, self._failed_at = error, self._now()

    def restore(self) -> int:
        """Reads the whole ledger into the journal and the folder of studies; returns the number of new rows.

        Creates the dataset if it is missing. Nothing is published before this has succeeded once.
        """
        with self._exclusive_turn():
            state = upkeep.read_or_create_ledger(self.dataset)
            rows = merge_rows(upkeep.read_ledger_rows(self.dataset, state))
            new = self._restore_rows(rows, state.commit)
            self._restore_studies(state)
            self._note_files(state, rows)
            self._pending = self._pending or self._pending_file.read()
            if self._pending is not None and is_batch_in_rows(self._pending, rows):
                self._clear_pending()
            self.is_restored = True
            return new

    def _read_news(self) -> None:
        """Reads the files that somebody else added: another app, or a request that arrived after its sender was killed.

        Their withdrawals count here from now on. Their other rows are read at the next start. If files are gone
        (merged, or somebody emptied the ledger), it is read as a whole, so that rows that it lacks are sent again.
        """
        state = upkeep.read_or_create_ledger(self.dataset)
        if any(path not in state.files for path in self._file_digests if ROW_FILE_PATH.fullmatch(path)):
            self.restore()
            return
        new = [path for path in upkeep.row_paths(state) if self._file_digests.get(path) != state.files[path].digest]
        rows = merge_rows(upkeep.read_row_files(self.dataset, state, new))
        if rows.withdrawals:
            self.is_forget_due = bool(self._journal.restore_withdrawals(rows.withdrawals)) or self.is_forget_due
            self._journal.mark_published("withdrawal", [row.row_id for row in rows.withdrawals], state.commit)
        self._note_files(state, rows)

    def _note_files(self, state: RepositoryState, rows: LedgerRows) -> None:
        """Notes which files the ledger has, and whether `rows`, those just read, are of people who have withdrawn."""
        withdrawn = self._journal.withdrawal_times()
        answers: list[LedgerRow] = [*rows.judgments, *rows.consents]
        theirs = any(row_annotator(row) in withdrawn for row in answers)
        self.is_forget_due = self.is_forget_due or theirs or upkeep.SQUASH_MARKER in state.files
        self._file_digests = {path: file.digest for path, file in state.files.items()}

    def _restore_rows(self, rows: LedgerRows, commit: str) -> int:
        """Stores acceptable rows in the journal; the others stay in the ledger and are counted in a note."""
        consented = {consent.annotator for consent in rows.consents}
        kept, others = split_acceptable(rows.judgments, consented, self._journal.all_judgments(include_withdrawn=True))
        if others:
            self._notes[CONFLICTS_NOTE] = (
                f"Left out, because they contradict earlier ones: {pluralize(len(others), 'judgment')} in the ledger."
            )
        return self._journal.restore(replace(rows, judgments=tuple(kept)), commit)

    def _restore_studies(self, state: RepositoryState) -> None:
        """Writes the studies that are missing here; a study that differs from the ledger's is kept and noted."""
        deleted = {f"studies/{name}.json" for name in deleted_studies(self._journal)}
        wanted = [path for path in state.files if STUDY_PATH.fullmatch(path) and path not in deleted]
        contents = self.dataset.read_files(state, wanted)
        for path, content in contents.items():
            here = self._studies / Path(path).name
            if not here.exists():
                with atomic_writer(here) as file:
                    file.write(content)
            elif here.read_bytes() != content:
                self._notes[path] = (
                    f"The study {here.stem} here differs from the one in the ledger and cannot be published; "
                    "create it under another name."
                )

    def publish_withdrawals(self) -> str | None:
        """Publishes the withdrawals that the ledger lacks, in a commit of their own; returns its hash, None if none.

        The ledger need not have been read before. Each withdrawal is one file, whose name and bytes never change, so
        nothing is added twice.
        """
        with self._exclusive_turn():
            rows = self._journal.unpublished_withdrawals()
            if not rows:
                return None
            state = upkeep.read_or_create_ledger(self.dataset)
            digests = {path: file.digest for path, file in state.files.items()}
            new = {path: content for row in rows for path, content in files_from_rows([row]).items()}
            files = _with_card(new, digests)
            commit = self.dataset.commit(f"Add {pluralize(len(rows), 'withdrawal')}", files)
            self._journal.mark_published("withdrawal", [row.row_id for row in rows], commit)
            self.is_forget_due = True
            self._note_commit(commit, files)
            return commit

    def publish(self) -> str | None:
        """Publishes every row and study that the ledger lacks; returns the commit's hash, None if there is nothing.

        Withdrawals go first. A batch that an earlier try may have sent already is sent again unchanged, so nothing is
        added twice; with answers or consents of people who have withdrawn since, it is replaced by one without them.
        """
        with self._exclusive_turn():
            commit = self.publish_withdrawals()
            if not self.is_restored:
                self.restore()
            while (batch := self._next_batch()) is not None:
                self._read_news()
                try:
                    return self._send(batch)
                except WithdrawnMeanwhileError:
                    commit = self.publish_withdrawals() or commit
            return commit

    def _next_batch(self) -> PublicationBatch | None:
        if self._pending is not None and self._pending.holds_rows_of(self._journal.withdrawal_times()):
            self.is_forget_due = True  # an earlier try may have arrived
            self._clear_pending()
        return self._pending or self._fix_next_batch()

    def _send(self, batch: PublicationBatch) -> str:
        def check_withdrawals() -> None:
            if self._journal.unpublished_withdrawals() or batch.holds_rows_of(self._journal.withdrawal_times()):
                raise WithdrawnMeanwhileError("Somebody withdrew while rows were being published; try again.")

        title = f"Add {pluralize(batch.row_count, 'row')}"
        commit = self.dataset.commit(title, batch.files, before_try=check_withdrawals)
        for kind, ids in batch.row_ids.items():
            self._journal.mark_published(SINGULAR_KINDS[kind], ids, commit)
        self._note_commit(commit, batch.files)
        self._clear_pending()
        return commit

    def _note_commit(self, commit: str, files: Mapping[str, bytes]) -> None:
        self._file_digests |= {path: content_digest(content) for path, content in files.items()}
        self._published_at, self._commit = self._now(), commit

    def _fix_next_batch(self) -> PublicationBatch | None:
        """Fixes the next publication on disk; if the disk cannot be written it is kept in memory only."""
        studies = {name: path.read_bytes() for name, path in self._unpublished_studies().items()}
        batch = build_batch(replace(self._journal.unpublished_rows(), withdrawals=()), studies)
        if not batch.files:
            return None
        batch = PublicationBatch(_with_card(batch.files, self._file_digests), batch.row_ids)
        self._pending = batch
        try:
            self._pending_file.write(batch)
            self._notes.pop(PENDING_FILE_NAME, None)
        except OSError as error:
            reason = error.strerror or error
            self._notes[PENDING_FILE_NAME] = (
                f"{self._pending_file.path} cannot be written ({reason}); publishing goes on without it."
            )
        return batch

    def _unpublished_studies(self) -> dict[str, Path]:
        files = {f"studies/{file.name}": file for file in sorted(self._studies.glob("*.json"))}
        new = {path: file for path, file in files.items() if path not in self._file_digests}
        return {path: file for path, file in new.items() if STUDY_PATH.fullmatch(path)}

    def _clear_pending(self) -> None:
        self._pending = None
        self._pending_file.remove()

    def compact(self) -> str | None:
        """Merges small files; returns the commit, None if there was nothing to do. See `compact_ledger`."""
        with self._exclusive_turn():
            commit = upkeep.compact_ledger(self.dataset, self._now().date())
            if commit is not None:
                self._read_news()
            return commit

    def forget_withdrawn(self) -> bool:
        """Removes withdrawn annotators from the ledger and its history, after publishing their withdrawal.

        Returns whether there was anything to remove. After an interruption it stays due. The ledger need not have been
        read before.
        """
        with self._exclusive_turn():
            self.publish_withdrawals()
            is_changed = upkeep.forget_withdrawn(self.dataset, self._journal.withdrawal_times())
            self.is_forget_due = False
            if is_changed and self.is_restored:
                self._read_news()
            return is_changed

    def unpublished_withdrawals(self) -> set[str]:
        """The annotators whose withdrawal the ledger does not have yet."""
        return {row.annotator for row in self._journal.unpublished_withdrawals()}

    def unpublished_sentences(self) -> tuple[str, ...]:
        """What the ledger does not have yet, for the end of the app; empty if it has everything."""
        rows, studies = self._journal.unpublished_rows(), self._unpublished_studies()
        return unpublished_sentences(self.dataset.name, rows, len(studies), self.is_forget_due)

    def has_unpublished_rows(self) -> bool:
        """Whether the ledger lacks rows or studies."""
        return bool(self._pending or self._unpublished_studies() or self._journal.unpublished_rows().all_rows)

    def note_next_try(self, seconds: float) -> None:
        self._next_try_at = self._now() + timedelta(seconds=seconds)

    def closed_reason(self) -> str | None:
        """Why nobody can judge now, None if they can.

        With answers in the local journal judging goes on without the Hub. With an empty journal the ledger must be
        read first; otherwise annotators would get items again that they have already judged.
        """
        if self.is_restored or self._journal.annotators():
            return None
        why = f" {self._error}" if self._error else ""
        return f"Judging is closed until the stored answers have been read from {self.dataset.name}.{why}"

    def status(self) -> LedgerStatus:
        """The current status, without using the network."""
        rows = self._journal.unpublished_rows().all_rows
        return LedgerStatus(
            dataset=self.dataset.name,
            is_restored=self.is_restored,
            unpublished_count=len(rows),
            unpublished_withdrawals=sum(isinstance(row, Withdrawal) for row in rows),
            oldest_unpublished_at=min(map(row_time, rows), default=None),
            published_at=self._published_at,
            commit=self._commit,
            error=self._error,
            failed_at=self._failed_at,
            notes=tuple(self._notes.values()),
            next_try_at=self._next_try_at,
            closed_reason=self.closed_reason(),
        )


def _with_card(files: Mapping[str, bytes], known_digests: Mapping[str, str]) -> dict[str, bytes]:
    """The files to add to a ledger that has those of `known_digests`, with a new card if its tables change."""
    card = ledger_card({path.partition("/")[0] for path in (*known_digests, *files)}).encode()
    is_known = known_digests.get("README.md") == content_digest(card)
    return dict(files) if is_known else {**files, "README.md": card}
