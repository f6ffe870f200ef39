"""Limits how often a visitor may do something: ask live questions, sign in under a new name."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from maps.errors import MapsError

BURST_SIZE = 12  # questions that a visitor may ask without a pause
REFILL_SECONDS = 5.0  # then one more question every so many seconds
SIGN_INS_PER_ADDRESS = (60, 20.0)  # a class behind one address may begin together; then one every 20 seconds
SIGN_INS_TOGETHER = (120, 5.0)
QUESTIONS_SENTENCE = (
    "You asked {burst_size} questions in a short time; wait {wait} s before the next. On your own machine there is no "
    "limit."
)
SIGN_INS_SENTENCE = "Many people have signed in within a short time; please wait {wait} s and try again."
MAX_VISITORS = 10_000  # beyond that the visitor who asked longest ago is forgotten


class RateLimiter:
    """Gives each visitor an allowance that refills with time. `clock` counts seconds and never jumps.

    Only one number is kept for each visitor: the time at which the allowance is full again. Each use moves that time
    by `refill_seconds`; it may not move beyond `burst_size` refills from now. `sentence` says why somebody must wait.
    """

    def __init__(
        self,
        burst_size: int = BURST_SIZE,
        refill_seconds: float = REFILL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sentence: str = QUESTIONS_SENTENCE,
    ) -> None:
        self.burst_size, self.refill_seconds, self.clock, self.sentence = burst_size, refill_seconds, clock, sentence
        self._full_at: OrderedDict[str, float] = OrderedDict()  # by visitor
        self._lock = Lock()

    def consume(self, visitor: str) -> None:
        """Takes one from a visitor's allowance; raises MapsError with the waiting time if nothing is left of it."""
        with self._lock:
            now = self.clock()
            full_at = max(self._full_at.get(visitor, now), now) + self.refill_seconds
            wait = full_at - now - self.burst_size * self.refill_seconds
            if wait > 0:
                raise MapsError(self.sentence.format(burst_size=self.burst_size, wait=math.ceil(wait)))
            self._full_at[visitor] = full_at
            self._full_at.move_to_end(visitor)
            if len(self._full_at) > MAX_VISITORS:
                self._full_at.popitem(last=False)


class SignInLimits:
    """How often new names may sign in: from one address, and from all together. Else names could be tried out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._by_address = RateLimiter(*SIGN_INS_PER_ADDRESS, clock, SIGN_INS_SENTENCE)
        self._together = RateLimiter(*SIGN_INS_TOGETHER, clock, SIGN_INS_SENTENCE)

    def consume(self, address: str) -> None:
        """Counts one attempt; raises MapsError with the waiting time if there were too many."""
        self._by_address.consume(address)
        self._together.consume("everybody")
