"""How often a visitor may ask for what is computed live."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from maps.errors import MapsError

BURST_SIZE = 12  # questions that a visitor may ask without a pause
REFILL_SECONDS = 5.0  # seconds after which another one is allowed
MAX_VISITORS = 10_000  # visitors; of more the one that asked longest ago is forgotten


class RateLimiter:
    """An allowance for each visitor that fills again with time. `clock` counts seconds and never jumps."""

    def __init__(
        self,
        burst_size: int = BURST_SIZE,
        refill_seconds: float = REFILL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.burst_size, self.refill_seconds, self.clock = burst_size, refill_seconds, clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when each visitor's allowance is whole again
        self._lock = Lock()

    def consume(self, visitor: str) -> None:
        """Takes one of a visitor's allowance; raises MapsError with the seconds to wait where none is left."""
        with self._lock:
            now = self.clock()
            full = max(self._full_at.get(visitor, now), now) + self.refill_seconds
            over = full - now - self.burst_size * self.refill_seconds
            if over > 0:
                raise MapsError(
                    f"You have asked {self.burst_size} questions in a short time; the next can be asked in "
                    f"{math.ceil(over)} s. On your own machine there is no limit."
                )
            self._full_at[visitor] = full
            self._full_at.move_to_end(visitor)
            if len(self._full_at) > MAX_VISITORS:
                self._full_at.popitem(last=False)
