"""The command `show`: one head of an atlas as text."""

from __future__ import annotations

import argparse

import maps
from maps.command_line import Subparsers, print_text


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "show",
        help="show a head in the terminal",
        description="Show a head in the terminal. · is a space, ⏎ a newline, ⇥ a tab, \\xE2 a byte that is not text.",
        epilog="example: python -m maps show data/atlases/smollm2 L26H2",
    )
    p.add_argument("atlas", help="the atlas's folder, or its dataset on the Hub, such as user/name")
    p.add_argument("head", help="such as L26H2")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    print_text(maps.show(maps.load_atlas(arguments.atlas), arguments.head))
