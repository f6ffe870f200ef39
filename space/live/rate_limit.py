"""Limits how often a visitor may ask live questions."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from maps.errors import MapsError

BURST_SIZE = 12  # questions that a visitor may ask without a pause
REFILL_SECONDS = 5.0  # then one more question every so many seconds
MAX_VISITORS = 10_000  # beyond that the visitor who asked longest ago is forgotten


class RateLimiter:
    """Gives each visitor an allowance of questions that refills with time. `clock` counts seconds and never jumps.

    Only one number is kept for each visitor: the time at which the allowance is full again. A question moves that
    time by `refill_seconds`; it may not move beyond `burst_size` refills from now.
    """

    def __init__(
        self,
        burst_size: int = BURST_SIZE,
        refill_seconds: float = REFILL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.burst_size, self.refill_seconds, self.clock = burst_size, refill_seconds, clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # by visitor
        self._lock = Lock()

    def consume(self, visitor: str) -> None:
        """Takes one question from a visitor's allowance; raises MapsError with the waiting time if none is left."""
        with self._lock:
            now = self.clock()
            full_at = max(self._full_at.get(visitor, now), now) + self.refill_seconds
            wait = full_at - now - self.burst_size * self.refill_seconds
            if wait > 0:
                raise MapsError(
                    f"You asked {self.burst_size} questions in a short time; wait {math.ceil(wait)} s before the next. "
                    "On your own machine there is no limit."
                )
            self._full_at[visitor] = full_at
            self._full_at.move_to_end(visitor)
            if len(self._full_at) > MAX_VISITORS:
                self._full_at.popitem(last=False)
