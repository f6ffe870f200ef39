"""The command `python -m space`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from maps.command_line import run_command
from space.commands import check, deploy, jobs


def main(argv: Sequence[str] | None = None) -> int:
    return run_command(build_parser(), argv, os.environ, "Stopped. Run the same command again to continue.")


def build_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m space",
        description="Put the app on a Hugging Face Space, try out locally what a Space would run, and run mappings as "
        "Jobs on machines of the Hub.",
        epilog="example: python -m space deploy --space me/heads --dataset me/judgments --dry-run",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in (deploy, check, jobs):
        command.add(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
