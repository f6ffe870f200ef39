"""Only one run at a time writes into a folder; a second one stops with a message that names the first."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from maps.errors import MapsError

LOCK_FILE = ".lock"
HOLDER_FILE = ".lock-holder"  # not in LOCK_FILE, which others cannot read on Windows while it is locked


@contextmanager
def lock_folder(folder: Path, command: str) -> Iterator[None]:
    """Keeps other runs out of a folder until the block ends; the thread that holds the lock may take it again.

    The operating system frees the lock when the process ends, however it ends. Raises MapsError where another run
    holds it.
    """
    resolved = folder.resolve()
    lock, holder = FileLock(resolved / LOCK_FILE, is_singleton=True), resolved / HOLDER_FILE
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise MapsError(
            f"Another run is writing into {folder} ({read_holder(holder)}); wait for it or stop it."
        ) from None
    is_outermost = lock.lock_counter == 1
    try:
        if is_outermost:
            holder.write_text(f"process {os.getpid()}, `{command}`", encoding="utf-8")
        yield
    finally:
        if is_outermost:
            holder.unlink(missing_ok=True)
            if sys.platform != "win32":  # on Windows, `release` removes the file
                (resolved / LOCK_FILE).unlink(missing_ok=True)  # before the release, or it might be another run's
        lock.release()


def read_holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return "which has just begun"
