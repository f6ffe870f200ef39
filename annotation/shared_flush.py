"""Flushes a file to disk, once for all who wait: while one flush runs, the next ones gather behind it."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock


class SharedFlush:
    """Flushes of one file, from any thread. Once a flush has failed, all later ones fail: the system may have dropped
    what it could not write, and the next flush would say nothing of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counting, self._flushing = Lock(), Lock()
        self._asked = self._flushed = 0  # how many calls there were, and how many of them are done
        self._failure: OSError | None = None

    def wait(self) -> None:
        """Returns when all that was written to the file before this call is on disk; raises OSError if it is not."""
        with self._counting:
            self._asked += 1
            own_number = self._asked
        with self._flushing:
            if self._failure is not None:
                raise OSError(self._failure.errno, self._failure.strerror)
            if self._flushed >= own_number:
                return
            asked = self._asked
            try:
                flush_file(self._path)
            except OSError as error:
                self._failure = error
                raise
            self._flushed = asked


def flush_file(path: Path) -> None:
    """Writes a file's content to disk, by whichever process it was written."""
    file = os.open(path, os.O_RDWR)
    try:
        getattr(os, "fdatasync", os.fsync)(file)
    finally:
        os.close(file)
