"""Work divided among threads, each computing alone.

PyTorch's own threads wait for each other after every product. Where products are small, it is faster to give each
thread a share of the work of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
S = TypeVar("S")


def run_in_shares(run: Callable[[slice], T], count: int) -> list[T]:
    """Splits `count` things into one slice for each thread, calls `run` on the slices at once, returns in order."""
    share = max(1, -(-count // torch.get_num_threads()))
    shares = [slice(start, start + share) for start in range(0, count, share)]
    return list(map_in_threads(run, shares))


def map_in_threads(run: Callable[[S], T], things: Sequence[S]) -> Iterator[T]:
    """Calls `run` on each of the things, as many at once as PyTorch has threads. The results keep the order."""
    threads = torch.get_num_threads()
    if threads < 2 or len(things) < 2:
        yield from map(run, things)
        return
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from pool.map(run, things)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


@contextmanager
def use_one_thread() -> Iterator[None]:
    """One thread for the time being: faster for many small steps."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
