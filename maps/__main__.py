"""The commands of MAPS. Thin: arguments into calls, errors into one sentence and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from maps.commands import describe, evaluate, map, probe, push, report, score, show
from maps.errors import MapsError, RunFailedError

INTERRUPTED_STATUS = 130  # the shell's status for an interrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0, 2 for bad input, 1 for a failure, 130 for an interrupt."""
    arguments = build_parser().parse_args(argv)
    arguments.environment = os.environ
    run: Callable[[argparse.Namespace], None] = arguments.run
    try:
        run(arguments)
        sys.stdout.flush()  # here, where a reader that is gone or a full disk is still answered
    except RunFailedError as error:
        return print_error(str(error), 1)
    except MapsError as error:
        return print_error(str(error), 2)
    except BrokenPipeError:  # the reader of our output is gone, as in `show … | head`
        discard_output()
    except OSError as error:
        discard_output()
        place = error.filename or vars(arguments).get("out") or "A file"
        return print_error(f"{place} cannot be written or read: {error.strerror or error}.", 1)
    except MemoryError:
        return print_error("There is not enough memory; close other programs or take a larger machine.", 1)
    except KeyboardInterrupt:
        return print_error("Stopped. Run the same command again to go on where it stopped.", INTERRUPTED_STATUS)
    return 0


def discard_output() -> None:
    """Drops what cannot be printed, which the interpreter would try once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_error(sentence: str, status: int) -> int:
    """Prints one sentence for a person, without what would act on the terminal."""
    from maps import text

    print(text.escape_for_terminal(sentence), file=sys.stderr)
    return status


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m maps",
        description="Read from its weights what an attention head does.",
        epilog="example: python -m maps map smollm2 --out data/atlases/smollm2",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in (map, describe, score, show, probe, report, evaluate, push):
        command.add(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
