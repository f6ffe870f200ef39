"""Writes docs/reference.md, every command and every setting, from the code: `python -m docs.reference`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import annotation.__main__
import maps.__main__
import space.__main__
from space.settings import SETTINGS

PAGE = Path(__file__).with_name("reference.md")
PAGE_START = """# Commands and settings

Every command with its arguments, and every variable that is read. Written by `python -m docs.reference` from the code;
what the commands do, exactly, is in [the contract](contract.md#7-commands).
"""


def reference_page() -> str:
    """The page."""
    return "\n".join([PAGE_START, *map(command_section, parsers_by_command().items()), settings_section()])


def parsers_by_command() -> dict[str, argparse.ArgumentParser]:
    """Every command, by how it is called."""
    tops = (maps.__main__.build_parser(), annotation.__main__.build_parser(), space.__main__.build_parser())
    return {name: parser for top in tops for name, parser in leaf_parsers(top.prog, top)}


def leaf_parsers(called: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The commands of a parser: itself, where it has none below it."""
    under = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in under:
        for name, each in action.choices.items():
            yield from leaf_parsers(f"{called} {name}", each)
    if not under:
        yield called, parser


def command_section(command: tuple[str, argparse.ArgumentParser]) -> str:
    """What a command does, its arguments, an example."""
    name, parser = command
    actions = [action for action in parser._actions if action.dest != "help"]
    rows = [f"| `{argument_text(action)}` | {table_cell(action.help or '')} |" for action in actions]
    example = (parser.epilog or "").removeprefix("example: ")
    return "\n".join(
        [
            f"## `{name}`\n",
            (parser.description or "") + "\n",
            "| argument | meaning |\n|---|---|",
            *rows,
            *([f"\n    {example}\n"] if example else [""]),
        ]
    )


def argument_text(action: argparse.Action) -> str:
    """An argument as `--help` prints it, options by their long name."""
    if not action.option_strings:
        return str(action.metavar or action.dest)
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    return action.option_strings[-1] + ("" if action.nargs == 0 else f" {action.metavar or choices}")


def settings_section() -> str:
    """The variables of the environment."""
    rows = [f"| `{each.name}` | {table_cell(each.meaning)} | {table_cell(each.default)} |" for each in SETTINGS]
    return "\n".join(["## Settings\n", "| variable | meaning | without it |\n|---|---|---|", *rows, ""])


def table_cell(text: str) -> str:
    """Text that can stand in a table's cell."""
    return text.replace("%%", "%").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(reference_page(), encoding="utf-8")
    print(f"{PAGE} is written.", file=sys.stderr)
