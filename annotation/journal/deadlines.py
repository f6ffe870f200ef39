"""Whether a deadline has passed for good, although the clock may be wrong for a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

DEADLINE_CONFIRMATION = timedelta(minutes=10)  # so long the clock must be past a deadline without a break
CLOCK_TOLERANCE = timedelta(minutes=1)  # by which the clock may differ from the seconds counted meanwhile


class DeadlineWatch:
    """Since when the clock of this process is past each study's deadline. `seconds` is a clock that nobody can set."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._since: dict[str, tuple[float, datetime]] = {}

    def has_passed_for_good(self, study: str, deadline: datetime | None, now: datetime) -> bool:
        """Whether the clock has been past the deadline for `DEADLINE_CONFIRMATION`, at each look and without a leap.

        `now` is the clock's time. A clock that was set in between begins the ten minutes anew.
        """
        if deadline is None or now < deadline:
            self._since.pop(study, None)
            return False
        seconds = self._seconds()
        first_seconds, first_time = self._since.setdefault(study, (seconds, now))
        elapsed = timedelta(seconds=seconds - first_seconds)
        if abs(now - first_time - elapsed) > CLOCK_TOLERANCE:
            self._since[study] = seconds, now
            return False
        return elapsed >= DEADLINE_CONFIRMATION
