"""Which item an annotator sees next, and how far they are. Nothing here remembers anything."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from annotation.types import Item


@dataclass(frozen=True)
class Progress:
    """How many items of the study are judged; `minutes_left` is None before the first timed answer."""

    done: int
    total: int
    minutes_left: float | None


def study_order(items: Iterable[Item], seed: int) -> list[Item]:
    """The one order in which everybody gets the items: by a hash of seed and item, whatever order they come in.

    An added item takes its place without moving the others.
    """
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed}\n{item.key}".encode()).digest())


def next_item(order: Sequence[Item], judged: Collection[str], skipped: Sequence[str]) -> Item | None:
    """The first item neither judged nor skipped; then the skipped ones, the longest skipped first; then None.

    `judged` and `skipped` hold item keys, `skipped` in the order of skipping: a second skip goes to the end.
    """
    done = set(judged)
    last_skip = {key: position for position, key in enumerate(skipped)}
    waiting = [item for item in order if item.key not in done]
    return min(waiting, key=lambda item: last_skip.get(item.key, -1), default=None)


def progress(order: Sequence[Item], judged: Collection[str], seconds: Sequence[float] = ()) -> Progress:
    """Counts of this order's items, and the time left at the annotator's median of `seconds` an item."""
    keys = {item.key for item in order}
    done = len(keys & set(judged))
    minutes = median(seconds) * (len(keys) - done) / 60 if seconds else None
    return Progress(done, len(keys), minutes)
