"""Live computation from weights, in one child process: the server itself never imports torch.

The child is started by the first question, kept warm, ended after some idle minutes and at the app's end; where it
died, the next question starts another. One question is computed at a time and a few may wait; others are told to come
back.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Lock, Thread, Timer
from typing import NamedTuple

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.weights.bundled import BUNDLED, bundled_file
from space.live.worker import Answer, Question, work

WAITING = 8  # visitors whose question waits or is computed
IDLE = 600.0  # seconds without a question, after which the child is ended
FIRST = 120.0  # seconds that the first question may take: it loads the weights
LATER = 20.0  # seconds that any other may take
AGAIN = 600.0  # seconds after which weights that could not be had are asked for again
BUSY = "Others are asking already; try again in a minute, or run the command below on your own machine."
LOST = "The computation ended before it had an answer; ask again, or run the command below on your own machine."
COMING = "Live questions are off until the weights have been fetched from the Hub, which takes a minute."
LATE = "This took too long and was ended; ask again, or run the command below on your own machine."


class Child(NamedTuple):
    """The process and our end of its pipe."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection


class Live:
    """Asks the heads of one model. `model` is its name as `maps.load` takes it; None where live questions are off.

    `off` then says why in one sentence. `work` is what the child runs, given its end of the pipe and the model.
    `fetch` brings weights that are not there yet, in the background once `start` is called; `note` says whence.
    """

    def __init__(
        self,
        model: str | None = None,
        off: str = "Live questions are off here.",
        *,
        idle: float = IDLE,
        first: float = FIRST,
        later: float = LATER,
        waiting: int = WAITING,
        work: Callable[[Connection, str], None] = work,
        fetch: Callable[[], Path] | None = None,
        note: str = "",
    ) -> None:
        self.model, self.off = model, off
        self.idle, self.first, self.later, self.waiting, self.work = idle, first, later, waiting, work
        self.note, self._fetch = note, fetch
        self._ended = Event()
        self._child: Child | None = None
        self._asking, self._counting = Lock(), Lock()
        self._here = 0
        self._timer: Timer | None = None
        self._closed = False

    def start(self) -> None:
        """Fetches the weights in the background, where they are not here; tries again where it fails."""
        if self._fetch is not None:
            Thread(target=self._fetched, args=(self._fetch,), name="weights", daemon=True).start()

    def _fetched(self, fetch: Callable[[], Path]) -> None:
        while not self._ended.is_set():
            try:
                self.model = str(fetch())
            except MapsError as error:
                self.off = f"Live questions are off: {error}"
                self._ended.wait(AGAIN)
            else:
                return

    def ask(self, question: Question) -> Answer:
        """The answer to a question; raises MapsError with one sentence where there is none."""
        if self.model is None:
            raise MapsError(self.off)
        with self._counting:
            if self._here >= self.waiting:
                raise MapsError(BUSY)
            self._here += 1
        try:
            return self._in_turn(question)
        finally:
            with self._counting:
                self._here -= 1

    def _in_turn(self, question: Question) -> Answer:
        """Waits for those before, asks the child, and lets it be for a while."""
        if not self._asking.acquire(timeout=self.first):
            raise MapsError(BUSY)
        try:
            if self._timer is not None:
                self._timer.cancel()
            return self._asked(question)
        finally:
            if self._child is not None:
                self._timer = Timer(self.idle, self._rest)
                self._timer.daemon = True
                self._timer.start()
            self._asking.release()

    def _asked(self, question: Question) -> Answer:
        """Asks a child that lives, or a new one."""
        if self._closed:
            raise MapsError(LOST)
        warm = self._child if self._child is not None and answers(self._child, self.later) else None
        child = warm or self._started()
        try:
            child.pipe.send(question)
            if not child.pipe.poll(self.first if warm is None else self.later):
                self._end()
                raise MapsError(LATE)
            found = child.pipe.recv()
        except (EOFError, OSError) as error:
            self._end()
            raise MapsError(LOST) from error
        if isinstance(found, MapsError):
            raise found
        answer: Answer = found
        return answer

    def _started(self) -> Child:
        """Starts a child."""
        self._end()
        spawning = multiprocessing.get_context("spawn")
        ours, theirs = spawning.Pipe()
        process = spawning.Process(target=self.work, args=(theirs, self.model), name="live", daemon=True)
        process.start()
        theirs.close()  # so that the end of the child ends the pipe
        self._child = Child(process, ours)
        return self._child

    def _rest(self) -> None:
        """Ends an idle child; not while a question is being computed."""
        if self._asking.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._asking.release()

    def _end(self) -> None:
        """Ends the child, if there is one."""
        if self._child is not None:
            child, self._child = self._child, None
            child.process.kill()
            child.process.join()
            child.pipe.close()

    @property
    def pid(self) -> int | None:
        """The child's process; None where there is none."""
        return self._child.process.pid if self._child is not None else None

    def close(self) -> None:
        """Ends the child for good, whether somebody waits for an answer or not."""
        self._closed = True
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()
        child = self._child
        if child is not None:
            child.process.kill()  # who waits for it is told, and takes it away
        if self._asking.acquire(timeout=5):
            try:
                self._end()
            finally:
                self._asking.release()


def answers(child: Child, seconds: float) -> bool:
    """Whether a child that has nothing to do is there: a signal may have ended it a moment ago."""
    try:
        child.pipe.send(None)
        return child.pipe.poll(seconds) and child.pipe.recv() is None
    except (EOFError, OSError):
        return False


def live_of(atlases: Mapping[str, Atlas], fetch: Callable[[], Path] | None = None, note: str = "") -> Live:
    """Live computation for the first atlas whose model's weights are known by name; off, with why, where none is.

    `fetch` brings them from elsewhere where their package is not installed, and `note` says so.
    """
    if not any(atlas.info.get("asked_for") == BUNDLED for atlas in atlases.values()):
        return Live(None, f"Live questions need the bundled model; show its atlas too: python -m maps map {BUNDLED}.")
    try:
        bundled_file()
    except MapsError as error:
        return Live(None, str(error)) if fetch is None else Live(None, COMING, fetch=fetch, note=note)
    return Live(BUNDLED)
