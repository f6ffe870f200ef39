"""Sends fewer questions at once while a server does not keep up, and more again when it does.

As in the congestion control of TCP, the number is halved when replies are late and rises by one at a time. A server
that works on one question at a time still works on the questions that were given up, so sending pauses until it is
through.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

FIRST_PATIENCE, LONGEST_PATIENCE = 8, 128  # replies in a row before the number rises; doubled at each fall


@dataclass(eq=False)
class Place:
    """The place of one question at the server.

    `is_alone`: no other question may be open. `is_crowded`: another one was open at some time. `is_crowded_out`: its
    reply was late, and the other questions may be the reason.
    """

    is_alone: bool = False
    is_crowded: bool = False
    is_crowded_out: bool = False
    started: float = 0.0


class ConcurrencyLimit:
    """How many questions may be open at once: at first `most`."""

    def __init__(self, most: int, timeout: float, on_first_fall: Callable[[int, int], None]) -> None:
        """`timeout`: seconds after which a reply is late. `on_first_fall` gets the number before and after, once."""
        self.limit = self._most = most
        self._timeout = timeout
        self._on_first_fall = on_first_fall
        self._open: set[Place] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._alone_waiting = 0
        self._resume_time = 0.0
        self._fall_time: float | None = None
        self._shortest_reply: float | None = None  # seconds
        self._is_hopeless = False  # even a question that was alone got no reply, and none has come so far
        self._patience = FIRST_PATIENCE
        self._replies_in_a_row = 0

    @asynccontextmanager
    async def hold(self, place: Place) -> AsyncIterator[None]:
        """Waits for a free place and holds it inside the block."""
        await self._wait_until_free(place.is_alone)
        self._open.add(place)
        if len(self._open) > 1:
            for each in self._open:
                each.is_crowded = True
        try:
            yield
        finally:
            self._open.discard(place)
            self._wake()

    async def _wait_until_free(self, is_alone: bool) -> None:
        self._alone_waiting += is_alone
        try:
            while True:
                pause = self._resume_time - time.monotonic()
                if pause > 0:
                    await asyncio.sleep(pause)
                elif self._is_free(is_alone):
                    return
                else:
                    changed = asyncio.get_running_loop().create_future()
                    self._waiting.append(changed)
                    await changed
        finally:
            self._alone_waiting -= is_alone

    def _is_free(self, is_alone: bool) -> bool:
        if is_alone:
            return not self._open
        is_somebody_alone = self._alone_waiting > 0 or any(place.is_alone for place in self._open)
        return len(self._open) < self.limit and not is_somebody_alone

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for changed in waiting:
            if not changed.done():
                changed.set_result(None)

    def record_reply(self, place: Place) -> None:
        """Notes a reply that came in time."""
        seconds = time.monotonic() - place.started
        self._shortest_reply = min(seconds, self._shortest_reply or seconds)
        self._is_hopeless = False
        self._replies_in_a_row += 1
        if self.limit < self._most and self._replies_in_a_row >= self._patience:
            self.limit += 1
            self._replies_in_a_row = 0

    def record_late_reply(self, place: Place, *, is_refused: bool = False) -> None:
        """Notes that a reply did not come in time; sets `is_crowded_out`, and lowers the limit if that is so.

        `is_refused`: the server had no room for the question, so it does not work on it.
        """
        self._replies_in_a_row = 0
        if self._is_hopeless or not place.is_crowded:
            self._record_late_alone()
            return
        place.is_crowded_out = True
        now = time.monotonic()
        if self._fall_time is None or place.started > self._fall_time:  # not sent before the limit fell
            self._lower(now)
        if is_refused:
            return
        if self._shortest_reply is None:
            self._resume_time = max(self._resume_time, now + self._timeout)
        else:  # the server may still work on this question, for as long as on any other
            self._resume_time = max(self._resume_time, now) + self._shortest_reply

    def _record_late_alone(self) -> None:
        if self._shortest_reply is None:  # the server is too slow, and fewer questions at once do not help
            self._is_hopeless, self.limit = True, self._most
        elif self._fall_time is not None:  # it may still work on questions that were given up
            self._resume_time = max(self._resume_time, time.monotonic() + self._timeout)

    def _lower(self, now: float) -> None:
        before, self.limit = self.limit, max(1, min(self.limit, len(self._open)) // 2)
        if self._fall_time is None:
            self._on_first_fall(before, self.limit)
        else:
            self._patience = min(LONGEST_PATIENCE, 2 * self._patience)
        self._fall_time = now
