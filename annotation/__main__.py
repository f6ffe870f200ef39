"""The commands of the study. Thin: arguments into calls, errors into one sentence and an exit status."""

from __future__ import annotations

import argparse
import os
import sys

from annotation.commands import agreement, export, labels, publish, study, withdraw
from maps.errors import MapsError


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m annotation",
        description="Studies, what people judged in them, how far they agree, one label an item.",
        epilog="example: python -m annotation agreement judgments.csv",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in (study, export, agreement, labels, withdraw, publish):
        command.add(commands)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0, or with one plain sentence 2 for bad input, 1 for a failure, 130 for an interrupt."""
    options = build_parser().parse_args(arguments)
    options.environment = os.environ
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output is gone, as in `agreement … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (MapsError, OSError, KeyboardInterrupt) as error:
        return _report_error(error)
    return 0


def _report_error(error: MapsError | OSError | KeyboardInterrupt) -> int:
    if isinstance(error, MapsError):
        print(error, file=sys.stderr)
        return 2
    if isinstance(error, KeyboardInterrupt):
        print("Stopped; nothing was changed but what is printed above.", file=sys.stderr)
        return 130
    print(f"{error.filename or 'The output'} cannot be written or read: {error.strerror or error}.", file=sys.stderr)
    if not error.filename:  # standard output itself: do not try again at the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


if __name__ == "__main__":
    sys.exit(main())
