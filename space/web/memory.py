"""Keeps the server's memory small."""

from __future__ import annotations

import ctypes
import sys

ARENA_MAX = -8  # mallopt's number for it in glibc
ARENA_COUNT = 2


def limit_memory_arenas() -> None:
    """Two heaps for all threads, instead of one for each few, before most of them start.

    With glibc's default each of the server's forty threads keeps what it once needed.
    """
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):  # other C libraries lack it
        ctypes.CDLL(None).mallopt(ARENA_MAX, ARENA_COUNT)
