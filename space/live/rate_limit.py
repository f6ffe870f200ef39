"""How often a visitor may ask for what is computed live."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from maps.errors import MapsError

AT_ONCE = 12  # questions that a visitor may ask without a pause
EVERY = 5.0  # seconds after which another one is allowed
REMEMBERED = 10_000  # visitors; of more the one that asked longest ago is forgotten


class Limits:
    """An allowance for each visitor that fills again with time. `clock` counts seconds and never jumps."""

    def __init__(
        self, at_once: int = AT_ONCE, every: float = EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.at_once, self.every, self.clock = at_once, every, clock
        self._full: OrderedDict[str, float] = OrderedDict()  # when each visitor's allowance is whole again
        self._lock = Lock()

    def take(self, visitor: str) -> None:
        """Takes one of a visitor's allowance; raises MapsError with the seconds to wait where none is left."""
        with self._lock:
            now = self.clock()
            full = max(self._full.get(visitor, now), now) + self.every
            over = full - now - self.at_once * self.every
            if over > 0:
                raise MapsError(
                    f"You have asked {self.at_once} questions in a short time; the next can be asked in "
                    f"{math.ceil(over)} s. On your own machine there is no limit."
                )
            self._full[visitor] = full
            self._full.move_to_end(visitor)
            if len(self._full) > REMEMBERED:
                self._full.popitem(last=False)
