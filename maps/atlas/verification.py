"""Checks every value of an atlas in a child process, whose memory and time are limited.

A Parquet file of some kilobytes can unpack to gigabytes, and a hostile one may end the process that reads it. The child
bears that, so that the process that asks only reads files that were read once. Memory is limited where the operating
system can do it (not on Windows).
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from maps.atlas.reader import Atlas
from maps.errors import MapsError

MAX_MEMORY = 4 << 30  # bytes of address space
MAX_SECONDS = 60.0
REFUSED = 3  # the child's exit status if the atlas is damaged; the reason is its output
CHILD = "import sys; from maps.atlas.verification import check_in_this_process as c; sys.exit(c(sys.argv[1]))"
ROOT = Path(__file__).parents[2]  # from where the child imports this package


def verify_atlas(folder: Path, max_seconds: float = MAX_SECONDS) -> None:
    """Checks all values of an atlas; raises MapsError where one is not valid, or reading takes too much."""
    command = [sys.executable, "-c", CHILD, str(folder.resolve())]
    try:
        child = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=max_seconds, check=False)
    except subprocess.TimeoutExpired:
        raise MapsError(f"Reading {folder} took more than {max_seconds:g} seconds; map the model again.") from None
    if child.returncode == REFUSED:
        raise MapsError(child.stdout.decode(errors="replace").strip())
    if child.returncode:
        raise MapsError(
            f"{folder} cannot be read with {MAX_MEMORY >> 30} GiB of memory, so it is damaged or too large; "
            "map the model again."
        )


def check_in_this_process(folder: str) -> int:
    """The child: limits itself, reads everything once; prints the reason and returns REFUSED if it is not valid."""
    limit_memory()
    try:
        Atlas.open(folder).check_tables()
    except MapsError as error:
        sys.stdout.buffer.write(str(error).encode(errors="backslashreplace"))
        return REFUSED
    return 0


def limit_memory() -> None:
    if find_spec("resource") is None:
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file
