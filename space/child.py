"""Calls a function in a child process, so that the server keeps none of the memory that its work needs."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from maps.errors import MapsError

Argument = TypeVar("Argument")
Result = TypeVar("Result")
CHILD = "from space.child import answer; answer()"
ROOT = Path(__file__).parents[1]  # from where the child imports this package


def run_in_child(function: Callable[[Argument], Result], argument: Argument) -> Result:
    """`function(argument)`, computed in a process of its own that ends afterwards.

    The function is one of a module, whose import is part of the time; argument and result can be pickled. Raises the
    function's MapsError, and a MapsError where the child ends early, for instance for lack of memory.
    """
    request = pickle.dumps((function, argument))
    done = subprocess.run([sys.executable, "-c", CHILD], cwd=ROOT, input=request, capture_output=True, check=False)
    if done.returncode != 0:
        last_line = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise MapsError(f"Computing ended early ({last_line or f'exit status {done.returncode}'}); try again.")
    reply: tuple[MapsError | None, Result] = pickle.loads(done.stdout)
    error, result = reply
    if error is not None:
        raise error
    return result


def answer() -> None:
    """The child: reads function and argument, and writes the error or the result."""
    function, argument = pickle.load(sys.stdin.buffer)
    reply: tuple[MapsError | None, object]
    try:
        reply = (None, function(argument))
    except MapsError as error:
        reply = (error, None)
    pickle.dump(reply, sys.stdout.buffer)
