"""Limits on connections: how many there are, and how long one may be open without a request on it.

The server itself closes a connection some seconds after its last answer, but waits for ever for the first request, and
for the rest of a request's head. Each open connection takes one of the files that a process may open.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

MAX_IDLE_SECONDS = 15.0  # without a whole request head
CHECK_INTERVAL = 1.0  # seconds
MAX_CONNECTIONS = 2000
FILES_KEPT_FREE = 200  # for tables, the journal and the Hub


def connection_limit() -> int:
    """How many connections may be open: well below the number of files that this process may open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MAX_CONNECTIONS, max(files - FILES_KEPT_FREE, files // 2))


class ConnectionLimits:
    """Closes idle connections of a uvicorn server, first those that have been idle longest."""

    def __init__(
        self, limit: int, max_idle_seconds: float = MAX_IDLE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit, self.max_idle_seconds, self._clock = limit, max_idle_seconds, clock
        self.server: Any = None  # the uvicorn server, as soon as it runs
        self._idle_since: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Watches while the app runs."""
        watch = asyncio.create_task(self._watch())
        yield
        watch.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            if self.server is not None:
                self.close_idle(self.server.server_state.connections)

    def close_idle(self, connections: set[Any]) -> None:
        """Closes what has been idle too long; over the limit also what has been idle for less."""
        now = self._clock()
        idle = {}
        for connection in connections:
            cycle = connection.cycle  # the request that is answered now, or the last one
            if cycle is None or cycle.response_complete:
                idle[connection] = self._idle_since.setdefault(connection, now)
            else:
                self._idle_since.pop(connection, None)
        excess = len(connections) - self.limit
        for number, connection in enumerate(sorted(idle, key=idle.__getitem__)):
            if number < excess or now - idle[connection] > self.max_idle_seconds:
                connection.transport.close()
