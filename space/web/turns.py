"""Work for visitors, a few pieces at a time, so that nobody's flood of requests keeps an annotator waiting.

The others wait without a thread of their own: the threads in which answers are stored stay free.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

P = ParamSpec("P")
R = TypeVar("R")

VISITORS_AT_ONCE = 3  # more would take as long on two cores, and more memory
_limiter = anyio.CapacityLimiter(VISITORS_AT_ONCE)


async def in_turn(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs `work` in a thread as soon as fewer than `VISITORS_AT_ONCE` are at work; first come, first served."""
    return await anyio.to_thread.run_sync(partial(work, *args, **kwargs), limiter=_limiter)
