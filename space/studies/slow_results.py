"""Results that take long to compute: the last ones are shown while newer ones are computed in a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock, Timer
from typing import Generic, TypeVar

from maps.errors import MapsError
from space.web.memory import return_free_memory

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
SLOW_SECONDS = 0.3  # what takes longer is computed in a thread the next time
DELAY_SECONDS = 0.5
MAX_RESULTS = 16  # beyond that the oldest goes


@dataclass(frozen=True)
class Computed(Generic[Key, Value]):
    """A value, what it was computed from, and how long that took."""

    key: Key
    value: Value
    seconds: float


class SlowResults(Generic[Key, Value]):
    """The newest result of a computation by name, such as that of a study.

    `compute` gets the key: all that the result depends on. A quick result is computed again at once when its key has
    changed; a slow one in a thread, one at a time for each name, and until then the older one is given.
    """

    def __init__(
        self, compute: Callable[[Key], Value], slow_seconds: float = SLOW_SECONDS, delay: float = DELAY_SECONDS
    ) -> None:
        self._compute, self._slow_seconds, self._delay = compute, slow_seconds, delay
        self._computed: dict[Hashable, Computed[Key, Value]] = {}
        self._in_progress: set[Hashable] = set()
        self._lock = Lock()

    def get(self, name: Hashable, key: Key) -> tuple[Value, bool]:
        """The result, and whether it is of this key; if not, a newer one is being computed."""
        with self._lock:
            last = self._computed.get(name)
            if last is not None and last.key == key:
                return last.value, True
            is_slow = last is not None and last.seconds > self._slow_seconds
            if is_slow and name not in self._in_progress:
                self._in_progress.add(name)
                self._start_later(name, key)
        if last is not None and is_slow:
            return last.value, False
        return self._compute_now(name, key), True

    def has(self, name: Hashable) -> bool:
        """Whether there is a result, so that `get` does not wait for the first."""
        with self._lock:
            return name in self._computed

    def _start_later(self, name: Hashable, key: Key) -> None:
        """Computes it in a thread, once the page that has asked is likely to be made: they would share one core."""
        timer = Timer(self._delay, self._compute_later, args=(name, key))
        timer.daemon = True
        timer.start()

    def _compute_now(self, name: Hashable, key: Key) -> Value:
        start = time.perf_counter()
        value = self._compute(key)
        seconds = time.perf_counter() - start
        if seconds > self._slow_seconds:  # it took much memory, too
            return_free_memory()
        with self._lock:
            self._computed.pop(name, None)
            self._computed[name] = Computed(key, value, seconds)
            while len(self._computed) > MAX_RESULTS:
                self._computed.pop(next(iter(self._computed)))
        return value

    def _compute_later(self, name: Hashable, key: Key) -> None:
        try:
            self._compute_now(name, key)
        except MapsError:
            with self._lock:
                self._computed.pop(name, None)  # whoever asks next computes it and is told why it fails
        finally:
            with self._lock:
                self._in_progress.discard(name)
