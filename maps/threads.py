"""Work in shares, a thread each, for products so small that much is lost where all threads meet after each of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def side_by_side(run: Callable[[slice], T], size: int) -> list[T]:
    """`run` on as many shares of `size` things as there are threads, in order; each share computes with one thread."""
    threads = torch.get_num_threads()
    share = max(1, -(-size // threads))
    shares = [slice(start, start + share) for start in range(0, size, share)]
    if len(shares) < 2:
        return [run(each) for each in shares]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(run, shares))
    finally:
        torch.set_num_threads(threads)
