"""What the commands of `maps`, `annotation`, `space` and app.py share: argument types, exit statuses, safe output."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, MutableMapping, Sequence
from typing import TextIO

from maps.errors import MapsError, RunFailedError
from maps.text import escape_invisible

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130  # exit statuses; 130 is the shell's for Ctrl+C
Subparsers = argparse._SubParsersAction  # the type that add_subparsers returns has no public name


def run_command(
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    environment: MutableMapping[str, str],
    interrupted_message: str,
) -> int:
    """Runs the command that the arguments name (`run` of its parser); returns the exit status."""
    arguments = parser.parse_args(argv)
    arguments.environment = environment
    output = getattr(arguments, "out", None)
    return run_and_report(lambda: arguments.run(arguments), interrupted_message, output=output)


def run_and_report(
    run: Callable[[], object], interrupted_message: str, *, output: object = None, bad_input_status: int = BAD_INPUT
) -> int:
    """Calls `run` and returns the exit status: 0, 1 for a failure, 2 for bad input, 130 for Ctrl+C.

    An error is printed as one line. `output`: the file or folder to name where the system's error names none.
    """
    try:
        run()
        sys.stdout.flush()  # here, so that a full disk or a closed pipe is still reported below
    except RunFailedError as error:
        return print_error(str(error), FAILED)
    except MapsError as error:
        return print_error(str(error), bad_input_status)
    except BrokenPipeError:  # the reader of our output has closed it, as in `show … | head`
        discard_output()
    except OSError as error:
        discard_output()
        path = error.filename or output or "A file"
        return print_error(f"{path} cannot be written or read: {error.strerror or error}.", FAILED)
    except MemoryError:
        return print_error("There is not enough memory; close other programs or use a larger machine.", FAILED)
    except KeyboardInterrupt:
        return print_error(interrupted_message, INTERRUPTED)
    return 0


def discard_output() -> None:
    """Drops output that cannot be written; otherwise the interpreter would try again when it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_error(message: str, status: int) -> int:
    print(escape_invisible(message), file=sys.stderr)
    return status


def print_text(text: str, file: TextIO | None = None) -> None:
    """Prints lines of text. Names in it may come from anybody's atlas, so control characters are escaped."""
    print("\n".join(map(escape_invisible, text.split("\n"))), file=file, flush=True)


def whole_number(text: str, maximum: int = 999_999_999) -> int:
    """An argument from 0 to 999,999,999: a seed in this range stays within 32 bits when a layer or head is added."""
    if not text.isdecimal() or len(text) > len(str(maximum)) or int(text) > maximum:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {maximum:,}")
    return int(text)


def positive_int(text: str) -> int:
    """An argument from 1 to 999,999,999."""
    if whole_number(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 999,999,999")
    return int(text)


def parse_positive_number(text: str, expected: str) -> float:
    """A number above 0; `expected` describes it in the error message."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")
    return value


def share(text: str) -> float:
    """An argument from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value
