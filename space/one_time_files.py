"""Files that were made for one visitor: each can be fetched once, by whoever was given its address, then it is gone."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

MAX_FILES = 64  # beyond that the oldest one goes
LIFETIME = 600.0  # seconds until a file that nobody fetched goes


@dataclass(frozen=True)
class OneTimeFile:
    """A file in a folder of its own, and until when it can be fetched."""

    path: Path
    until: float

    def remove(self) -> None:
        shutil.rmtree(self.path.parent, ignore_errors=True)  # gone already is as good


class OneTimeFiles:
    """The files that wait to be fetched, by token. They lie in a folder that only this process's user may read."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._files: dict[str, OneTimeFile] = {}
        self._lock = Lock()

    def make(self, write: Callable[[Path], Path]) -> tuple[str, str]:
        """Keeps the file that `write` makes in an empty folder and returns; gives its token and name."""
        folder = Path(tempfile.mkdtemp(prefix="maps-download-"))
        try:
            path = write(folder)
            if path.parent != folder:
                path = path.rename(folder / path.name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._files[token] = OneTimeFile(path, self._clock() + LIFETIME)
            self._remove_old()
        return token, path.name

    def take(self, token: str) -> OneTimeFile | None:
        """The file of a token, which nobody gets again; the caller removes it. None if there is none (any more)."""
        with self._lock:
            self._remove_old()
            return self._files.pop(token, None)

    def _remove_old(self) -> None:
        now = self._clock()
        kept = list(self._files.items())
        for number, (token, file) in enumerate(kept):
            if file.until < now or number < len(kept) - MAX_FILES:
                self._files.pop(token).remove()

    def close(self) -> None:
        """Removes all files."""
        with self._lock:
            for file in self._files.values():
                file.remove()
            self._files.clear()
