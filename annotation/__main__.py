"""The command `python -m annotation`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from annotation.commands import agreement, export, invite, judge, labels, link, panel, publish, study, withdraw
from maps.command_line import run_command


def main(argv: Sequence[str] | None = None) -> int:
    return run_command(build_parser(), argv, os.environ, "Stopped; only what is printed above was changed.")


def build_parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m annotation",
        description="Create studies, export judgments, measure how far annotators agree, and derive labels.",
        epilog="example: python -m annotation agreement judgments.csv",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in (study, export, agreement, labels, judge, invite, panel, link, withdraw, publish):
        command.add(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
