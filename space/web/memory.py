"""Limits the memory that the server's threads hold on to."""

from __future__ import annotations

import ctypes
import gc
import sys

ARENA_MAX = -8  # the number of M_ARENA_MAX for glibc's mallopt
ARENA_COUNT = 2


def limit_memory_arenas() -> None:
    """Lets all threads share two heaps. Call it before most threads start.

    By default glibc gives threads heaps of their own, and each of the server's forty threads keeps the memory that
    it once needed.
    """
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):  # missing in other C libraries
        ctypes.CDLL(None).mallopt(ARENA_MAX, ARENA_COUNT)


def return_free_memory() -> None:
    """Gives the heaps' free pages back to the system, which glibc does by itself only at the end of a heap."""
    gc.collect()
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim"):
        ctypes.CDLL(None).malloc_trim(0)
