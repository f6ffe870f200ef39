"""Publishes the ledger in the background: every five minutes at most, later after failures, and at the end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from annotation.ledger import HubLedger
from maps.errors import HubError, MapsError

PUBLISH_INTERVAL = 300.0  # seconds between publications
FIRST_RETRY_WAIT, MAX_RETRY_WAIT = 15.0, 900.0  # seconds after the first failure, doubling up to the last
POLL_INTERVAL = 2.0  # seconds between looks whether there is anything to do
COMPACTION_INTERVAL = 3600.0


class Publisher:
    """One thread that restores, then publishes. `clock` counts seconds and never jumps."""

    def __init__(self, ledger: HubLedger, clock: Callable[[], float] = time.monotonic, seed: int | None = None) -> None:
        self._ledger, self._clock, self._random = ledger, clock, random.Random(seed)
        start = clock()
        self._publication_due = (
            start + PUBLISH_INTERVAL
        )  # a process that is started again and again keeps the distance too
        self._compaction_due = start + COMPACTION_INTERVAL
        self._retry_due = start
        self._failures = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        """Begins in the background, with reading the ledger."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> bool:
        """Publishes what is left, for so long at most; whether nothing is left then."""
        self._stopping.set()
        self._ledger.dataset.skip_waits()
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive() and not self._ledger.has_unsent_changes()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.run_due()
                self._stopping.wait(POLL_INTERVAL)
            self._attempt(self._publish_remaining)
        except BaseException as error:
            self._ledger.note_error(
                f"Publishing has ended by a fault of the program ({type(error).__name__}); start it again."
            )
            raise

    def run_due(self) -> None:
        """Does what is due now, and notes in the ledger when the next try is."""
        if self._clock() >= self._retry_due:
            self._attempt(self._run_due_task)

    def _run_due_task(self) -> None:
        now = self._clock()
        if not self._ledger.is_restored:
            self._ledger.restore()
        elif now >= self._publication_due and self._ledger.has_unsent_changes():
            self._publish()
        elif now >= self._compaction_due:
            self._compaction_due = now + COMPACTION_INTERVAL
            self._ledger.compact()

    def _publish_remaining(self) -> None:
        if self._ledger.has_unsent_changes():
            self._publish()

    def _publish(self) -> None:
        if self._ledger.publish() is not None:
            self._publication_due = self._clock() + PUBLISH_INTERVAL
        if self._ledger.is_forget_due:
            self._ledger.forget_withdrawn()

    def _attempt(self, call: Callable[[], object]) -> None:
        """Calls; a failure goes into the ledger's status and decides when the next try is."""
        try:
            call()
            self._failures = 0
            wait = 0.0
        except (MapsError, OSError) as error:
            self._ledger.note_error(str(error))
            wait = min(FIRST_RETRY_WAIT * 2.0 ** min(self._failures, 10), MAX_RETRY_WAIT) * self._random.uniform(
                0.75, 1.25
            )
            wait = max(wait, error.retry_after if isinstance(error, HubError) else 0.0)
            self._failures += 1
        now = self._clock()
        self._retry_due = now + wait
        due = max(self._retry_due, self._publication_due) if self._ledger.is_restored else self._retry_due
        self._ledger.note_next_try(due - now)
