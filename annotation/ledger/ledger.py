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

from annotation.journal.journal import Journal
from annotation.ledger.card import ledger_card
from annotation.ledger.conflicts import acceptable
from annotation.ledger.pending import SINGULAR, Batch, PendingFile, batch_of, is_within
from annotation.ledger.reading import ledger_head, read_rows
from annotation.ledger.rows import LedgerError, Row, annotator_of, merged, when
from annotation.ledger.status import Status
from annotation.ledger.upkeep import SQUASH, compact, forget
from annotation.types import Unpublished
from maps.errors import MapsError
from maps.files.atomic import replacing
from maps.hub.repository import Head, HubDataset, digest

STUDY = re.compile(r"studies/[a-z0-9][a-z0-9-]{0,39}\.json")
PENDING = "ledger.pending.json"
CONFLICTS = "conflicts"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """The ledger of one journal. `data` is the folder with the studies and the pending publication.

    Methods that reach the network take turns, raise MapsError and keep its sentence for `status`; `status` and
    `closed` never wait.
    """

    def __init__(
        self, dataset: HubDataset, journal: Journal, data: Path, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self.dataset, self._journal, self._now = dataset, journal, now
        self._studies = data / "studies"
        self._file = PendingFile(data / PENDING)
        self._lock = threading.RLock()
        self._files: dict[str, str] = {}  # what the ledger holds, by path, as far as is known
        self._pending: Batch | None = None
        self.restored = False  # whether the ledger has been read since the start
        self.forget_due = False  # whether rows of somebody who withdrew are in it, or may be
        self._published_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._commit: str | None = None
        self._error: str | None = None
        self._notes: dict[str, str] = {}
        self._next_try: datetime | None = None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except MapsError as error:
                self.say(str(error))
                raise
            except OSError as error:
                place, reason = error.filename or "A file of the ledger", error.strerror or error
                self.say(f"{place} cannot be written or read: {reason}.")
                raise LedgerError(self._error) from error
            self._error = self._failed_at = None

    def say(self, error: str) -> None:
        """Keeps what went wrong, as one sentence for `status`."""
        self._error, self._failed_at = error, self._now()

    def restore(self) -> int:
        """Reads the whole ledger into the journal and the folder of studies; returns how many rows were new there.

        Makes the dataset where it is missing. Must have succeeded once before anything is published. May be
        repeated at any time.
        """
        with self._turn():
            head = ledger_head(self.dataset)
            rows = merged(read_rows(self.dataset, head))
            self._restore_studies(head)
            new = self._restore_rows(rows, head.commit)
            self._files = {path: file.digest for path, file in head.files.items()}
            withdrawn = self._journal.withdrawn()
            answers: list[Row] = [*rows.judgments, *rows.consents]
            theirs = any(annotator_of(row) in withdrawn for row in answers)
            self.forget_due = theirs or SQUASH in head.files
            self._pending = self._pending or self._file.read()
            if self._pending is not None and is_within(self._pending, rows):
                self._done()
            self.restored = True
            return new

    def _look(self) -> None:
        head = ledger_head(self.dataset)
        self._files = {path: file.digest for path, file in head.files.items()}

    def _restore_rows(self, rows: Unpublished, commit: str) -> int:
        """What fits goes into the journal; what does not stays in the ledger and is counted in a note."""
        consented = {consent.annotator for consent in rows.consents}
        fitting, others = acceptable(rows.judgments, consented, self._journal.rows(withdrawn=True))
        if others:
            self._notes[CONFLICTS] = f"Judgments in the ledger that contradict earlier ones, left out: {len(others):,}."
        return self._journal.restore(replace(rows, judgments=tuple(fitting)), commit)

    def _restore_studies(self, head: Head) -> None:
        """Studies that are missing here; one that is here stays, and must be the same."""
        found = self.dataset.read(head, [path for path in head.files if STUDY.fullmatch(path)])
        for path, content in found.items():
            here = self._studies / Path(path).name
            if not here.exists():
                with replacing(here) as file:
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
        with self._turn():
            if not self.restored:
                self.restore()
            batch = self._pending or self._fixed()
            if batch is None:
                return None
            rows = "1 row" if batch.size == 1 else f"{batch.size:,} rows"
            commit = self.dataset.commit(f"Add {rows}", batch.files)
            for kind, ids in batch.rows.items():
                self._journal.mark_published(SINGULAR[kind], ids, commit)
            self.forget_due = self.forget_due or bool(batch.rows["withdrawals"])
            self._files |= {path: digest(content) for path, content in batch.files.items()}
            self._done()
            self._published_at, self._commit = self._now(), commit
            return commit

    def _fixed(self) -> Batch | None:
        """What is to be published next, fixed on disk; kept in memory where the disk does not take it."""
        studies = {name: path.read_bytes() for name, path in self._new_studies().items()}
        batch = batch_of(self._journal.unpublished(), studies)
        if not batch.files:
            return None
        kinds = {path.partition("/")[0] for path in (*self._files, *batch.files)}
        card = ledger_card(kinds).encode()
        if self._files.get("README.md") != digest(card):
            batch = Batch({**batch.files, "README.md": card}, batch.rows)
        self._pending = batch
        try:
            self._file.write(batch)
            self._notes.pop(PENDING, None)
        except OSError as error:
            reason = error.strerror or error
            self._notes[PENDING] = f"{self._file.path} cannot be written ({reason}); publishing goes on without it."
        return batch

    def _new_studies(self) -> dict[str, Path]:
        paths = {f"studies/{path.name}": path for path in sorted(self._studies.glob("*.json"))}
        return {name: path for name, path in paths.items() if STUDY.fullmatch(name) and name not in self._files}

    def _done(self) -> None:
        self._pending = None
        self._file.remove()

    def compact(self) -> str | None:
        """Puts many small files together; the commit, None where there is nothing to do. See `upkeep.compact`."""
        with self._turn():
            commit = compact(self.dataset, self._now().date())
            if commit is not None:
                self._look()
            return commit

    def forget(self) -> bool:
        """Takes everybody who withdrew out of the ledger and its history, once it is published that they did.

        False where nothing of them is there. See `upkeep.forget`; interrupted, it stays due.
        """
        with self._turn():
            if self._pending is not None or self._journal.unpublished().withdrawals:
                self.publish()
            found = forget(self.dataset, self._journal.withdrawn())
            if found:
                self._look()
            self.forget_due = False
            return found

    def is_waiting(self) -> bool:
        """Whether anything is to be sent to the Hub."""
        return bool(self._pending or self.forget_due or self._new_studies() or self._journal.unpublished().rows)

    def plan(self, seconds: float) -> None:
        """Notes in how many seconds the next try is due."""
        self._next_try = self._now() + timedelta(seconds=seconds)

    def closed(self) -> str | None:
        """Why nobody can judge now, in words; None where they can.

        With a local journal work goes on. With an empty disk the ledger must be read first: people would be given
        again what they have answered.
        """
        if self.restored or self._journal.annotators():
            return None
        why = f" {self._error}" if self._error else ""
        return f"Judging is closed until the stored answers have been read from {self.dataset.name}.{why}"

    def status(self) -> Status:
        """How things stand, without a look at the network."""
        rows = self._journal.unpublished().rows
        return Status(
            dataset=self.dataset.name,
            restored=self.restored,
            unpublished=len(rows),
            since=min(map(when, rows), default=None),
            published_at=self._published_at,
            commit=self._commit,
            error=self._error,
            failed_at=self._failed_at,
            notes=tuple(self._notes.values()),
            next_try=self._next_try,
            closed=self.closed(),
        )
