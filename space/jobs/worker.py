"""The child process of a job: one command of the library, which reports its progress and ends with the app.

`python -m space.jobs.worker FOLDER maps describe ATLAS --describer offline`: behind the folder come a program and its
arguments, as for `python -m`. One worker runs in a folder; another one waits until it has ended, soon after its app.
Standard output has the command's lines, and between them a record for each state of a progress bar (`progress_line`).
"""

from __future__ import annotations

import io
import json
import os
import runpy
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from maps.command_line import run_and_report
from maps.errors import MapsError
from maps.files.lock import lock_folder
from maps.progress import Bar, use_bars

WORKER_FOLDER = "worker"  # in the folder of jobs: where workers take turns
RECORD_MARK = "\x1e"  # begins a record; commands escape control characters in everything that they print
REPORT_SECONDS = 0.5  # between two records of a bar
LAST_SECONDS = 20.0  # for the command to stop cleanly after the app is gone
NICENESS = 10  # the pages come first


class ReportedBar(Bar):
    """A progress bar that prints records instead of drawing."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options |= {"file": io.StringIO(), "mininterval": REPORT_SECONDS, "dynamic_ncols": False}
        super().__init__(*args, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:  # noqa: ARG002 - as in tqdm
        sys.stdout.write(progress_line(self.format_dict) + "\n")  # at once: standard error shares the pipe
        sys.stdout.flush()
        return True


def progress_line(bar: dict[str, Any]) -> str:
    """The record of a bar, from its `format_dict`."""
    rate = bar["rate"] or ((bar["n"] - bar["initial"]) / bar["elapsed"] if bar["elapsed"] else None)
    is_over = not bar["total"] or bar["n"] >= bar["total"]  # what follows has no bar of its own
    left = None if is_over or not rate else (bar["total"] - bar["n"]) / rate
    values = {"doing": bar["prefix"], "done": bar["n"], "total": bar["total"], "unit": bar["unit"]}
    return RECORD_MARK + json.dumps(values | {"seconds_left": left})


def end_with_parent() -> None:
    """Waits until the app closes the other end of standard input, then stops the command as Ctrl+C does."""
    os.read(sys.stdin.fileno(), 1)  # not through the buffer, whose lock the interpreter needs when it ends
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(LAST_SECONDS)
    os._exit(130)


@contextmanager
def only_worker(folder: Path) -> Iterator[None]:
    """Waits until no other worker runs in the folder, and keeps others out; raises MapsError if one does not end."""
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 2 * LAST_SECONDS
    with ExitStack() as stack:
        while not has_entered(stack, folder, is_last_try=time.monotonic() > until):
            time.sleep(0.5)
        yield


def has_entered(stack: ExitStack, folder: Path, is_last_try: bool) -> bool:
    """Takes the lock of the folder if it is free; on the last try, raises MapsError if it is not."""
    try:
        stack.enter_context(lock_folder(folder, "job"))
    except MapsError:
        if is_last_try:
            raise
        return False
    return True


def run(folder: Path, program: str, argv: Sequence[str]) -> None:
    """Runs a program as `python -m` does; it ends with SystemExit."""
    with only_worker(folder):
        sys.argv = [program, *argv]
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def main(folder: Path, program: str, argv: Sequence[str]) -> int:
    """Runs a command and returns its exit status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    Thread(target=end_with_parent, name="parent", daemon=True).start()
    use_bars(ReportedBar)
    return run_and_report(lambda: run(folder, program, argv), "Stopped.")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
