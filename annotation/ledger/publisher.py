"""Publishes the ledger in the background: withdrawals at once, the rest at most every five minutes, and at the end.

After failures it tries less often.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from annotation.ledger import HubLedger
from maps.errors import HubError, MapsError

PUBLISH_INTERVAL = 300.0  # seconds between publications
FIRST_RETRY_WAIT, MAX_RETRY_WAIT = 15.0, 900.0  # seconds; the wait doubles with each failure
POLL_INTERVAL = 0.5  # seconds between checks for a withdrawal, which any process may have stored, or another task
IDLE_INTERVAL = 2.0  # seconds between checks for other rows, which take longer
COMPACTION_INTERVAL = 3600.0
FORGET_INTERVAL = 300.0  # seconds between two removals of withdrawn answers: each rewrites the ledger
END_WAIT_FOR_ANSWERS = 10.0  # seconds: most hosts kill an app soon after they asked it to end
END_WAIT_FOR_WITHDRAWALS = 30.0
END_RETRY_WAIT = 2.0  # seconds between tries at the end
PAGE_WAIT = 8.0  # seconds that a page waits for a withdrawal to arrive


class Publisher:
    """A thread that reads the ledger once, then publishes. `clock` returns monotonic seconds."""

    def __init__(self, ledger: HubLedger, clock: Callable[[], float] = time.monotonic, seed: int | None = None) -> None:
        self._ledger, self._clock, self._random = ledger, clock, random.Random(seed)
        start = clock()
        self._publication_due = start + PUBLISH_INTERVAL  # also after a restart, so that restarts cannot flood the Hub
        self._compaction_due = start + COMPACTION_INTERVAL
        self._forget_due = start
        self._retry_due = start
        self._hub_wait_ends = start  # no request before this time: the Hub asked to wait
        self._tried_withdrawals: set[str] = set()
        self._failures = 0
        self._stopping, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(
        self, answers_wait: float = END_WAIT_FOR_ANSWERS, withdrawals_wait: float = END_WAIT_FOR_WITHDRAWALS
    ) -> tuple[str, ...]:
        """Publishes what is left, and returns sentences on what the ledger still lacks; empty if it has everything.

        Waits `answers_wait` seconds at most, and `withdrawals_wait` while a withdrawal is not published.
        """
        self._stopping.set()
        self._ledger.dataset.skip_waits()
        end = time.monotonic() + withdrawals_wait
        self._thread.join(answers_wait)
        while self._thread.is_alive() and self._ledger.unpublished_withdrawals() and time.monotonic() < end:
            self._thread.join(POLL_INTERVAL)
        self._stopped.set()
        return self._ledger.unpublished_sentences()

    def wait_for_withdrawal(self, annotator: str, seconds: float = PAGE_WAIT) -> bool:
        """Waits until the ledger has the withdrawal that was just stored; returns whether it has."""
        end = time.monotonic() + seconds
        while is_waiting := annotator in self._ledger.unpublished_withdrawals():
            if time.monotonic() >= end:
                break
            time.sleep(0.1)
        return not is_waiting

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.run_due()
                self._stopping.wait(POLL_INTERVAL)
            self._publish_remaining()
        except BaseException as error:
            self._ledger.note_error(
                f"Publishing has stopped because of a program error ({type(error).__name__}); restart the app."
            )
            raise

    def run_due(self) -> None:
        """Runs the task that is due now, if any, and notes when the next try is due."""
        if self._clock() >= self._retry_due:
            self._attempt(self._run_due_task)
        elif self._clock() >= self._hub_wait_ends:
            self._attempt_new_withdrawals()

    def _attempt_new_withdrawals(self) -> None:
        """A withdrawal that was not tried yet does not wait until failed tasks are tried again."""
        try:
            new = self._ledger.unpublished_withdrawals() - self._tried_withdrawals
        except MapsError as error:
            self._ledger.note_error(str(error))
            return
        if new:
            self._attempt(self._publish_withdrawals)

    def _run_due_task(self) -> None:
        now = self._clock()
        if not self._ledger.is_restored:
            try:
                self._ledger.restore()
            finally:  # a withdrawal does not wait for a ledger that cannot be read
                self._publish_withdrawals()
            return
        self._publish_withdrawals()
        if self._ledger.is_forget_due and now >= self._forget_due:
            self._ledger.forget_withdrawn()
            self._forget_due = self._clock() + FORGET_INTERVAL
        elif now >= self._publication_due and self._has_rows():
            self._ledger.publish()
            self._publication_due = self._clock() + PUBLISH_INTERVAL
        elif now >= self._compaction_due and not self._ledger.is_forget_due:
            self._compaction_due = now + COMPACTION_INTERVAL
            self._ledger.compact()

    def _has_rows(self) -> bool:
        has_rows = self._ledger.has_unpublished_rows()
        if not has_rows:
            self._publication_due = self._clock() + IDLE_INTERVAL
        return has_rows

    def _publish_withdrawals(self) -> None:
        self._tried_withdrawals = self._ledger.unpublished_withdrawals()
        self._ledger.publish_withdrawals()

    def _publish_remaining(self) -> None:
        """At the end: one try, and more while a withdrawal is not published, until `stop` waits no longer."""
        is_published = self._attempt(self._publish_rows)
        while not (is_published or self._stopped.is_set()) and self._ledger.unpublished_withdrawals():
            if self._stopped.wait(END_RETRY_WAIT):
                return
            is_published = self._attempt(self._publish_rows)
        if is_published and self._ledger.is_forget_due:
            self._attempt(self._ledger.forget_withdrawn)

    def _publish_rows(self) -> None:
        if self._ledger.has_unpublished_rows():
            self._ledger.publish()

    def _attempt(self, call: Callable[[], object]) -> bool:
        """Calls a task; returns whether it succeeded.

        A failure is noted in the ledger's status, and the next try is later after each failure.
        """
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
                self._hub_wait_ends = self._clock() + error.retry_after
            self._failures += 1
        now = self._clock()
        self._retry_due = now + wait
        due = max(self._retry_due, self._publication_due) if self._ledger.is_restored else self._retry_due
        self._ledger.note_next_try(due - now)
        return wait == 0.0
