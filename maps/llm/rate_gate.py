"""Keeps back all questions of a run while the server asks to wait, and computes how long to wait."""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 600.0  # seconds; if a server asks for more, the run ends
DURATION_PATTERN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
RESUME_SPREAD = 0.1  # waiting questions resume spread over this share of the wait, not all at once


class RateGate:
    """A gate that all questions of a run pass before they are sent; it can be closed for some seconds."""

    def __init__(self) -> None:
        self._opening_time = 0.0

    async def wait_until_open(self) -> None:
        """Waits until the gate is open, plus a random share, so that not all questions are sent in the same moment."""
        while (wait := self._opening_time - time.monotonic()) > 0:
            await asyncio.sleep(wait * random.uniform(1, 1 + RESUME_SPREAD))

    def close_for(self, seconds: float) -> None:
        """Closes the gate for at least that long."""
        self._opening_time = max(self._opening_time, time.monotonic() + seconds)

    def close_if_exhausted(self, headers: Mapping[str, str], tokens: int) -> None:
        """Closes the gate if the rate-limit headers leave no room for another question of `tokens` tokens."""
        for kind, needed in (("requests", 1), ("tokens", tokens)):
            left = headers.get(f"x-ratelimit-remaining-{kind}", "")
            wait = parse_duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
            if left.isdecimal() and float(left) < needed and wait is not None and wait <= LONGEST_WAIT:
                self.close_for(wait)


def parse_duration(text: str) -> float | None:
    """The seconds in a duration of a rate-limit header (`1s`, `6m0s`, `120ms`, `2.5`); None if invalid or infinite."""
    try:
        duration = float(text)
    except ValueError:
        match = DURATION_PATTERN.fullmatch(text) if text else None
        if match is None:
            return None
        try:
            days, hours, minutes, seconds, milliseconds = [float(part or 0) for part in match.groups()]
        except ValueError:
            return None
        duration = ((days * 24 + hours) * 60 + minutes) * 60 + seconds + milliseconds / 1000
    return max(0.0, duration) if math.isfinite(duration) else None


def requested_wait(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait before a retry (Retry-After or retry-after-ms); None if it does not."""
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
    """Seconds before retry `attempt` (from 0): min(30, first_wait · 2^attempt) times a random factor from 0.5 to 1."""
    return min(30.0, first_wait * 2.0 ** min(attempt, 60)) * random.uniform(0.5, 1.0)
