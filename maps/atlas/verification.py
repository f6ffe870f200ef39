"""Checks every value of atlases in a child process, whose memory and time are limited.

A Parquet file of some kilobytes can unpack to gigabytes, and a hostile one may end the process that reads it. The child
bears that, so that the process that asks only reads files that were read once. Memory is limited where the operating
system can do it (not on Windows).
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Timer
from typing import Self

from maps.atlas.reader import Atlas
from maps.errors import MapsError

MAX_MEMORY = 4 << 30  # bytes of address space
MAX_SECONDS = 60.0  # for one atlas
CHILD = "from maps.atlas.verification import answer_requests; answer_requests()"
ROOT = Path(__file__).parents[2]  # from where the child imports this package


class AtlasVerifier:
    """A child process that checks one atlas after the other: `with AtlasVerifier() as verifier: …`.

    It starts with the first atlas. After one that ended it, another child starts with the next.
    """

    def __init__(self, max_seconds: float = MAX_SECONDS) -> None:
        self.max_seconds = max_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_child()

    def verify(self, folder: Path) -> None:
        """Checks all values of an atlas; raises MapsError where one is not valid, or reading takes too much."""
        child = self._child = self._child or start_child()
        is_late = Event()

        def end_late_child() -> None:
            is_late.set()
            child.kill()

        timer = Timer(self.max_seconds, end_late_child)
        timer.start()
        try:
            answer = ask_child(child, folder)
        finally:
            timer.cancel()
        if answer:
            if problem := json.loads(answer):
                raise MapsError(problem)
            return
        self._end_child()
        if is_late.is_set():
            raise MapsError(f"Reading {folder} took more than {self.max_seconds:g} seconds; map the model again.")
        raise MapsError(
            f"{folder} cannot be read with {MAX_MEMORY >> 30} GiB of memory, so it is damaged or too large; "
            "map the model again."
        )

    @property
    def process_id(self) -> int | None:
        """The child's; None if there is none."""
        return self._child.pid if self._child is not None else None

    def _end_child(self) -> None:
        if self._child is not None:
            child, self._child = self._child, None
            child.kill()
            child.communicate()


def verify_atlas(folder: Path) -> None:
    """Checks one atlas; raises MapsError where a value is not valid, or reading takes too much."""
    with AtlasVerifier() as verifier:
        verifier.verify(folder)


def start_child() -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", CHILD], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)


def ask_child(child: subprocess.Popen[bytes], folder: Path) -> bytes:
    """The child's line about an atlas; empty if it ended."""
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(str(folder.resolve())).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        return b""
    return child.stdout.readline()


def answer_requests() -> None:
    """The child: limits itself, reads everything in each folder once, and writes what is wrong, or an empty text."""
    limit_memory()
    for line in sys.stdin:
        problem = ""
        try:
            Atlas.open(json.loads(line)).check_tables()
        except MapsError as error:
            problem = str(error).encode(errors="backslashreplace").decode()
        print(json.dumps(problem), flush=True)


def limit_memory() -> None:
    if find_spec("resource") is None:
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file
