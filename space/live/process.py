"""Live computation from weights, in one child process: the server itself never imports torch.

The child is started by the first question, kept warm, ended after some idle minutes and at the app's end; where it
died, the next question starts another. One question is computed at a time and a few may wait; others are told to come
back.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Lock, Thread, Timer
from typing import NamedTuple

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.weights.bundled import BUNDLED_MODEL, bundled_file
from space.live.worker import LiveAnswer, LiveQuestion, run_worker

MAX_WAITING = 8  # visitors whose question waits or is computed
IDLE_SECONDS = 600.0  # seconds without a question, after which the child is ended
FIRST_ANSWER_SECONDS = 120.0  # seconds that the first question may take: it loads the weights
LATER_ANSWER_SECONDS = 20.0  # seconds that any other may take
RETRY_SECONDS = 600.0  # seconds after which weights that could not be had are asked for again
BUSY_MESSAGE = "Others are asking already; try again in a minute, or run the command below on your own machine."
LOST_MESSAGE = "The computation ended before it had an answer; ask again, or run the command below on your own machine."
FETCHING_MESSAGE = "Live questions are off until the weights have been fetched from the Hub, which takes a minute."
NOT_SHOWN_MESSAGE = "Live questions are off on this site: the model that answers them is not shown here."
NOT_INSTALLED_MESSAGE = "Live questions are off on this site: the weights of the model are not installed."
TIMEOUT_MESSAGE = "This took too long and was ended; ask again, or run the command below on your own machine."


class Worker(NamedTuple):
    """The process and our end of its pipe."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection


class LiveModel:
    """Asks the heads of one model. `model_name` is its name as `maps.load` takes it; None where live questions are off.

    `off_reason` then says why in one sentence. `run_worker` is what the child runs, given its end of the pipe and the model.
    `fetch` brings weights that are not there yet, in the background once `start` is called; `weights_origin` says whence.
    """

    def __init__(
        self,
        model_name: str | None = None,
        off_reason: str = "Live questions are off here.",
        *,
        idle_seconds: float = IDLE_SECONDS,
        first_answer_seconds: float = FIRST_ANSWER_SECONDS,
        later_answer_seconds: float = LATER_ANSWER_SECONDS,
        max_waiting: int = MAX_WAITING,
        run_worker: Callable[[Connection, str], None] = run_worker,
        fetch: Callable[[], Path] | None = None,
        weights_origin: str = "",
    ) -> None:
        self.model_name, self.off_reason = model_name, off_reason
        self.idle_seconds, self.first_answer_seconds, self.later_answer_seconds, self.max_waiting, self.run_worker = (
            idle_seconds,
            first_answer_seconds,
            later_answer_seconds,
            max_waiting,
            run_worker,
        )
        self.weights_origin, self._fetch = weights_origin, fetch
        self._stop_event = Event()
        self._worker: Worker | None = None
        self._question_lock, self._count_lock = Lock(), Lock()
        self._waiting_count = 0
        self._idle_timer: Timer | None = None
        self._is_closed = False

    def start(self) -> None:
        """Fetches the weights in the background, where they are not here; tries again where it fails."""
        if self._fetch is not None:
            Thread(target=self._fetch_until_available, args=(self._fetch,), name="weights", daemon=True).start()

    def _fetch_until_available(self, fetch: Callable[[], Path]) -> None:
        while not self._stop_event.is_set():
            try:
                self.model_name = str(fetch())
            except MapsError as error:
                self.off_reason = f"Live questions are off: {error}"
                self._stop_event.wait(RETRY_SECONDS)
            else:
                return

    def ask(self, question: LiveQuestion) -> LiveAnswer:
        """The answer to a question; raises MapsError with one sentence where there is none."""
        if self.model_name is None:
            raise MapsError(self.off_reason)
        with self._count_lock:
            if self._waiting_count >= self.max_waiting:
                raise MapsError(BUSY_MESSAGE)
            self._waiting_count += 1
        try:
            return self._ask_in_turn(question)
        finally:
            with self._count_lock:
                self._waiting_count -= 1

    def _ask_in_turn(self, question: LiveQuestion) -> LiveAnswer:
        """Waits for those before, asks the child, and lets it be for a while."""
        if not self._question_lock.acquire(timeout=self.first_answer_seconds):
            raise MapsError(BUSY_MESSAGE)
        try:
            if self._idle_timer is not None:
                self._idle_timer.cancel()
            return self._ask_worker(question)
        finally:
            if self._worker is not None:
                self._idle_timer = Timer(self.idle_seconds, self._end_idle_worker)
                self._idle_timer.daemon = True
                self._idle_timer.start()
            self._question_lock.release()

    def _ask_worker(self, question: LiveQuestion) -> LiveAnswer:
        """Asks a child that lives, or a new one."""
        if self._is_closed:
            raise MapsError(LOST_MESSAGE)
        warm = self._worker if self._worker is not None and is_alive(self._worker, self.later_answer_seconds) else None
        child = warm or self._start_worker()
        try:
            child.pipe.send(question)
            if not child.pipe.poll(self.first_answer_seconds if warm is None else self.later_answer_seconds):
                self._end_worker()
                raise MapsError(TIMEOUT_MESSAGE)
            found = child.pipe.recv()
        except (EOFError, OSError) as error:
            self._end_worker()
            raise MapsError(LOST_MESSAGE) from error
        if isinstance(found, MapsError):
            raise found
        answer: LiveAnswer = found
        return answer

    def _start_worker(self) -> Worker:
        """Starts a child."""
        self._end_worker()
        spawning = multiprocessing.get_context("spawn")
        ours, theirs = spawning.Pipe()
        process = spawning.Process(target=self.run_worker, args=(theirs, self.model_name), name="live", daemon=True)
        process.start()
        theirs.close()  # so that the end of the child ends the pipe
        self._worker = Worker(process, ours)
        return self._worker

    def _end_idle_worker(self) -> None:
        """Ends an idle child; not while a question is being computed."""
        if self._question_lock.acquire(blocking=False):
            try:
                self._end_worker()
            finally:
                self._question_lock.release()

    def _end_worker(self) -> None:
        """Ends the child, if there is one."""
        if self._worker is not None:
            child, self._worker = self._worker, None
            child.process.kill()
            child.process.join()
            child.pipe.close()

    @property
    def pid(self) -> int | None:
        """The child's process; None where there is none."""
        return self._worker.process.pid if self._worker is not None else None

    def close(self) -> None:
        """Ends the child for good, whether somebody waits for an answer or not."""
        self._is_closed = True
        self._stop_event.set()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        child = self._worker
        if child is not None:
            child.process.kill()  # who waits for it is told, and takes it away
        if self._question_lock.acquire(timeout=5):
            try:
                self._end_worker()
            finally:
                self._question_lock.release()


def is_alive(worker: Worker, seconds: float) -> bool:
    """Whether a child that has nothing to do is there: a signal may have ended it a moment ago."""
    try:
        worker.pipe.send(None)
        return worker.pipe.poll(seconds) and worker.pipe.recv() is None
    except (EOFError, OSError):
        return False


def make_live_model(
    atlases: Mapping[str, Atlas], fetch: Callable[[], Path] | None = None, weights_origin: str = ""
) -> LiveModel:
    """Live computation for the first atlas whose model's weights are known by name; off, with why, where none is.

    `fetch` brings them from elsewhere where their package is not installed, and `weights_origin` says so.
    """
    if not any(atlas.info.get("asked_for") == BUNDLED_MODEL for atlas in atlases.values()):
        return LiveModel(None, NOT_SHOWN_MESSAGE)
    try:
        bundled_file()
    except MapsError as error:
        if fetch is not None:
            return LiveModel(None, FETCHING_MESSAGE, fetch=fetch, weights_origin=weights_origin)
        print(f"Live questions are off: {error}", file=sys.stderr)
        return LiveModel(None, NOT_INSTALLED_MESSAGE)
    return LiveModel(BUNDLED_MODEL)
