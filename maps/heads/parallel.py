"""Work in shares, a thread each, for products so small that much is lost where all threads meet after each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
S = TypeVar("S")


def run_in_shares(run: Callable[[slice], T], count: int) -> list[T]:
    """`run` on as many shares of `count` things as there are threads, in order; each share computes with one thread."""
    share = max(1, -(-count // torch.get_num_threads()))
    shares = [slice(start, start + share) for start in range(0, count, share)]
    return list(map_in_threads(run, shares))


def map_in_threads(run: Callable[[S], T], things: Sequence[S]) -> Iterator[T]:
    """`run` on each of some things, in order, as many at a time as there are threads; each computes with one thread."""
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
    """Computes with one thread for a while: what is many small steps is slower with more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
