"""Publishes the ledger in the background: at most every five minutes, less often after failures, and at the end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from annotation.ledger import HubLedger
from maps.errors import HubError, MapsError

PUBLISH_INTERVAL = 300.0  # seconds between publications
FIRST_RETRY_WAIT, MAX_RETRY_WAIT = 15.0, 900.0  # seconds; the wait doubles with each failure
POLL_INTERVAL = 2.0  # seconds between checks whether a task is due
COMPACTION_INTERVAL = 3600.0


class Publisher:
    """A thread that reads the ledger once, then publishes. `clock` returns monotonic seconds."""

    def __init__(self, ledger: HubLedger, clock: Callable[[], float] = time.monotonic, seed: int | None = None) -> None:
        self._ledger, self._clock, self._random = ledger, clock, random.Random(seed)
        start = clock()
        self._publication_due = start + PUBLISH_INTERVAL  # also after a restart, so that restarts cannot flood the Hub
        self._compaction_due = start + COMPACTION_INTERVAL
        self._retry_due = start
        self._failures = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> bool:
        """Publishes the remaining rows within `timeout_seconds`; returns whether nothing is left."""
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
                f"Publishing has stopped because of a program error ({type(error).__name__}); restart the app."
            )
            raise

    def run_due(self) -> None:
        """Runs the task that is due now, if any, and notes when the next try is due."""
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
        """Calls a task. A failure is noted in the ledger's status, and the next try is later after each failure."""
        try:
            call()
            self._failures = 0
            wait = 0.0
        except (MapsError, OSError) as error:
            self._ledger.note_error(str(error))
            wait = min(FIRST_RETRY_WAIT * 2.0 ** min(self._failures, 10), MAX_RETRY_WAIT)
            wait *= self._random.uniform(0.75, 1.25)
            if isinstance(error, HubError):
                wait = max(wait, error.retry_after)
            self._failures += 1
        now = self._clock()
        self._retry_due = now + wait
        due = max(self._retry_due, self._publication_due) if self._ledger.is_restored else self._retry_due
        self._ledger.note_next_try(due - now)
