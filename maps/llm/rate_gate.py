"""The gate before a server: when the server asks to wait, every question of the run waits."""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 600.0  # seconds; a server that asks for more is not waited for
DURATION_PATTERN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
RESUME_SPREAD = 0.1  # waiting questions go on one after the other, over this share of the wait


class RateGate:
    """Open, or closed until a time that the server named. One gate serves all tasks of a run."""

    def __init__(self) -> None:
        self._opening_time = 0.0

    async def wait_until_open(self) -> None:
        """Waits until the gate is open, then a little longer, so that not everybody goes on in the same moment."""
        while (wait := self._opening_time - time.monotonic()) > 0:
            await asyncio.sleep(wait * random.uniform(1, 1 + RESUME_SPREAD))

    def close_for(self, seconds: float) -> None:
        """Keeps every question back for that long."""
        self._opening_time = max(self._opening_time, time.monotonic() + seconds)

    def close_if_exhausted(self, headers: Mapping[str, str], tokens: int) -> None:
        """Closes where the server's limits leave no room for one more question of `tokens` tokens."""
        for kind, needed in (("requests", 1), ("tokens", tokens)):
            left = headers.get(f"x-ratelimit-remaining-{kind}", "")
            wait = parse_duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
            if left.isdecimal() and float(left) < needed and wait is not None and wait <= LONGEST_WAIT:
                self.close_for(wait)


def parse_duration(text: str) -> float | None:
    """A duration as rate-limit headers write it (`1s`, `6m0s`, `120ms`, `2.5`) in seconds, or None; never infinite."""
    try:
        duration = float(text)
    except ValueError:
        found = DURATION_PATTERN.fullmatch(text) if text else None
        if found is None:
            return None
        try:
            days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
        except ValueError:
            return None
        duration = ((days * 24 + hours) * 60 + minutes) * 60 + seconds + milliseconds / 1000
    return max(0.0, duration) if math.isfinite(duration) else None


def requested_wait(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait before a retry, by Retry-After or retry-after-ms, or None."""
    milliseconds = parse_duration(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    seconds = parse_duration(text)
    if seconds is not None or not text:
        return seconds
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def backoff_seconds(first_wait: float, attempt: int) -> float:
    """The seconds before retry `attempt` (from 0): doubled each time up to 30, of which chance takes up to a half."""
    return min(30.0, first_wait * 2.0 ** min(attempt, 60)) * random.uniform(0.5, 1.0)
