"""One run at a time writes into a folder; a second one is told which. On Windows, without fcntl, nothing guards."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from maps.errors import MapsError

LOCK_FILE = ".lock"  # holds who has it; that it is there means nothing
HELD_FOLDERS: ContextVar[frozenset[Path]] = ContextVar("HELD", default=frozenset())  # by the run that this is a part of


@contextmanager
def lock_folder(folder: Path, command: str) -> Iterator[None]:
    """Keeps other runs from writing into a folder until the block ends; a part of the same run may enter again.

    The end of the process, a kill too, frees the folder. Raises MapsError where another run holds it.
    """
    place = folder.resolve()
    if sys.platform == "win32" or place in HELD_FOLDERS.get():
        yield
        return
    file = acquire_lock(folder, command)
    held = HELD_FOLDERS.set(HELD_FOLDERS.get() | {place})
    try:
        yield
    finally:
        HELD_FOLDERS.reset(held)
        (folder / LOCK_FILE).unlink(missing_ok=True)
        os.close(file)


def acquire_lock(folder: Path, command: str) -> int:
    """The lock file, open and locked; raises MapsError where another run has it."""
    import fcntl

    while True:
        file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_file_at_path(file, folder / LOCK_FILE):
                os.ftruncate(file, 0)
                os.write(file, f"process {os.getpid()}, `{command}`".encode())
                return file
        except BlockingIOError:
            holder = os.read(file, 100).decode(errors="replace") or "which has just begun"
            os.close(file)
            raise MapsError(f"Another run is writing into {folder} ({holder}); wait for it or stop it.") from None
        except OSError:
            os.close(file)
            raise
        os.close(file)  # its holder removed it after it was opened here


def is_file_at_path(file: int, path: Path) -> bool:
    """Whether an open file is the one at that path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
