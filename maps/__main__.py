"""The command `python -m maps`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from maps.command_line import run_command
from maps.commands import calibrate, describe, evaluate, map, null, probe, pull, push, report, score, show


def main(argv: Sequence[str] | None = None) -> int:
    interrupted = "Stopped. Run the same command again to go on where it stopped."
    return run_command(build_parser(), argv, os.environ, interrupted)


def build_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m maps",
        description="Find out what attention heads do, by reading their weights.",
        epilog="example: python -m maps map smollm2 --out data/atlases/smollm2",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in (map, calibrate, describe, score, null, show, probe, report, evaluate, push, pull):
        command.add(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
