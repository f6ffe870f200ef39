"""The commands that host the app. Thin: arguments into calls, errors into one sentence and an exit status."""

from __future__ import annotations

import argparse
import os
import sys

from maps.errors import MapsError, RunFailedError
from space.commands import check, deploy, jobs


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m space",
        description="Puts the app on a Hugging Face Space, tries at home what a Space would run, and runs mappings as "
        "Jobs on machines of the Hub.",
        epilog="example: python -m space deploy --space me/heads --dataset me/judgments --dry-run",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in (deploy, check, jobs):
        command.add(commands)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0, or with one plain sentence 2 for bad input, 1 for a failure, 130 for an interrupt."""
    options = build_parser().parse_args(arguments)
    options.environment = os.environ
    try:
        options.run(options)
    except MapsError as error:
        print(error, file=sys.stderr)
        return 1 if isinstance(error, RunFailedError) else 2
    except KeyboardInterrupt:
        print("Stopped; the same command again goes on.", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be written or read: {error.strerror or error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
