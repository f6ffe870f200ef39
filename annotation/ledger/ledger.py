"""The ledger: a private dataset on the Hub that holds every row of the journal, so that a lost disk loses nothing.

Rows are added as files whose names and bytes are fixed before the first try; what was sent twice is there once.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from annotation.errors import LedgerError
from annotation.journal.journal import Journal
from annotation.ledger.card import ledger_card
from annotation.ledger.conflicts import split_acceptable
from annotation.ledger.pending import SINGULAR_KINDS, PendingFile, PublicationBatch, build_batch, is_batch_in_rows
from annotation.ledger.reading import read_ledger_rows, read_or_create_ledger
from annotation.ledger.rows import merge_rows, row_annotator, row_time
from annotation.ledger.status import LedgerStatus
from annotation.ledger.upkeep import SQUASH_MARKER, compact_ledger, forget_withdrawn
from annotation.types import LedgerRow, LedgerRows
from maps.errors import MapsError
from maps.files.atomic import atomic_writer
from maps.hub.repository import HubDataset, RepositoryState, content_digest

STUDY_PATH = re.compile(r"studies/[a-z0-9][a-z0-9-]{0,39}\.json")
PENDING_FILE_NAME = "ledger.pending.json"
CONFLICTS_NOTE = "conflicts"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class HubLedger:
    """The ledger of one journal. `data` is the folder with the studies and the pending publication.

    Methods that reach the network take turns, raise MapsError and keep its sentence for `status`; `status` and
    `closed_reason` never wait.
    """

    def __init__(
        self, dataset: HubDataset, journal: Journal, data_folder: Path, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self.dataset, self._journal, self._now = dataset, journal, now
        self._studies = data_folder / "studies"
        self._pending_file = PendingFile(data_folder / PENDING_FILE_NAME)
        self._lock = threading.RLock()
        self._file_digests: dict[str, str] = {}  # what the ledger holds, by path, as far as is known
        self._pending: PublicationBatch | None = None
        self.is_restored = False  # whether the ledger has been read since the start
        self.is_forget_due = False  # whether rows of somebody who withdrew are in it, or may be
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
                place, reason = error.filename or "A file of the ledger", error.strerror or error
                self.note_error(f"{place} cannot be written or read: {reason}.")
                raise LedgerError(self._error) from error
            self._error = self._failed_at = None

    def note_error(self, error: str) -> None:
        """Keeps what went wrong, as one sentence for `status`."""
        self._error, self._failed_at = error, self._now()

    def restore(self) -> int:
        """Reads the whole ledger into the journal and the folder of studies; returns how many rows were new there.

        Makes the dataset where it is missing. Must have succeeded once before anything is published. May be
        repeated at any time.
        """
        with self._exclusive_turn():
            head = read_or_create_ledger(self.dataset)
            rows = merge_rows(read_ledger_rows(self.dataset, head))
            self._restore_studies(head)
            new = self._restore_rows(rows, head.commit)
            self._file_digests = {path: file.digest for path, file in head.files.items()}
            withdrawn = self._journal.withdrawal_times()
            answers: list[LedgerRow] = [*rows.judgments, *rows.consents]
            theirs = any(row_annotator(row) in withdrawn for row in answers)
            self.is_forget_due = theirs or SQUASH_MARKER in head.files
            self._pending = self._pending or self._pending_file.read()
            if self._pending is not None and is_batch_in_rows(self._pending, rows):
                self._clear_pending()
            self.is_restored = True
            return new

    def _refresh_file_digests(self) -> None:
        head = read_or_create_ledger(self.dataset)
        self._file_digests = {path: file.digest for path, file in head.files.items()}

    def _restore_rows(self, rows: LedgerRows, commit: str) -> int:
        """What fits goes into the journal; what does not stays in the ledger and is counted in a note."""
        consented = {consent.annotator for consent in rows.consents}
        fitting, others = split_acceptable(
            rows.judgments, consented, self._journal.all_judgments(include_withdrawn=True)
        )
        if others:
            self._notes[CONFLICTS_NOTE] = (
                f"Judgments in the ledger that contradict earlier ones, left out: {len(others):,}."
            )
        return self._journal.restore(replace(rows, judgments=tuple(fitting)), commit)

    def _restore_studies(self, head: RepositoryState) -> None:
        """Studies that are missing here; one that is here stays, and must be the same."""
        found = self.dataset.read_files(head, [path for path in head.files if STUDY_PATH.fullmatch(path)])
        for path, content in found.items():
            here = self._studies / Path(path).name
            if not here.exists():
                with atomic_writer(here) as file:
                    file.write(content)
            elif here.read_bytes() != content:
                self._notes[path] = (
                    f"The study {here.stem} here differs from the one in the ledger and cannot be published; "
                    "create it under another name."
                )

    def publish(self) -> str | None:
        """Publishes every row and study that the ledger lacks, in one commit; its hash, None where there is none.

        What an earlier try may have left at the Hub is sent again as it was, which adds nothing twice.
        """
        with self._exclusive_turn():
            if not self.is_restored:
                self.restore()
            batch = self._pending or self._fix_next_batch()
            if batch is None:
                return None
            rows = "1 row" if batch.row_count == 1 else f"{batch.row_count:,} rows"
            commit = self.dataset.commit(f"Add {rows}", batch.files)
            for kind, ids in batch.row_ids.items():
                self._journal.mark_published(SINGULAR_KINDS[kind], ids, commit)
            self.is_forget_due = self.is_forget_due or bool(batch.row_ids["withdrawals"])
            self._file_digests |= {path: content_digest(content) for path, content in batch.files.items()}
            self._clear_pending()
            self._published_at, self._commit = self._now(), commit
            return commit

    def _fix_next_batch(self) -> PublicationBatch | None:
        """What is to be published next, fixed on disk; kept in memory where the disk does not take it."""
        studies = {name: path.read_bytes() for name, path in self._unpublished_studies().items()}
        batch = build_batch(self._journal.unpublished_rows(), studies)
        if not batch.files:
            return None
        kinds = {path.partition("/")[0] for path in (*self._file_digests, *batch.files)}
        card = ledger_card(kinds).encode()
        if self._file_digests.get("README.md") != content_digest(card):
            batch = PublicationBatch({**batch.files, "README.md": card}, batch.row_ids)
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
        paths = {f"studies/{path.name}": path for path in sorted(self._studies.glob("*.json"))}
        return {
            name: path for name, path in paths.items() if STUDY_PATH.fullmatch(name) and name not in self._file_digests
        }

    def _clear_pending(self) -> None:
        self._pending = None
        self._pending_file.remove()

    def compact(self) -> str | None:
        """Puts many small files together; the commit, None where there is nothing to do. See `upkeep.compact`."""
        with self._exclusive_turn():
            commit = compact_ledger(self.dataset, self._now().date())
            if commit is not None:
                self._refresh_file_digests()
            return commit

    def forget_withdrawn(self) -> bool:
        """Takes everybody who withdrew out of the ledger and its history, once it is published that they did.

        False where nothing of them is there. See `upkeep.forget`; interrupted, it stays due.
        """
        with self._exclusive_turn():
            if self._pending is not None or self._journal.unpublished_rows().withdrawals:
                self.publish()
            found = forget_withdrawn(self.dataset, self._journal.withdrawal_times())
            if found:
                self._refresh_file_digests()
            self.is_forget_due = False
            return found

    def has_unsent_changes(self) -> bool:
        """Whether anything is to be sent to the Hub."""
        return bool(
            self._pending
            or self.is_forget_due
            or self._unpublished_studies()
            or self._journal.unpublished_rows().all_rows
        )

    def note_next_try(self, seconds: float) -> None:
        """Notes in how many seconds the next try is due."""
        self._next_try_at = self._now() + timedelta(seconds=seconds)

    def closed_reason(self) -> str | None:
        """Why nobody can judge now, in words; None where they can.

        With a local journal work goes on. With an empty disk the ledger must be read first: people would be given
        again what they have answered.
        """
        if self.is_restored or self._journal.annotators():
            return None
        why = f" {self._error}" if self._error else ""
        return f"Judging is closed until the stored answers have been read from {self.dataset.name}.{why}"

    def status(self) -> LedgerStatus:
        """How things stand, without a look at the network."""
        rows = self._journal.unpublished_rows().all_rows
        return LedgerStatus(
            dataset=self.dataset.name,
            is_restored=self.is_restored,
            unpublished_count=len(rows),
            oldest_unpublished_at=min(map(row_time, rows), default=None),
            published_at=self._published_at,
            commit=self._commit,
            error=self._error,
            failed_at=self._failed_at,
            notes=tuple(self._notes.values()),
            next_try_at=self._next_try_at,
            closed_reason=self.closed_reason(),
        )
