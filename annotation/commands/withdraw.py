"""`withdraw`: an annotator's answers are left out from now on."""

from __future__ import annotations

import argparse

from annotation.commands.arguments import add_data_option, open_journal
from maps.command_line import Subparsers, print_text


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`withdraw`."""
    p = commands.add_parser(
        "withdraw",
        help="leave out everything of an annotator who asks for it",
        description="Notes that an annotator withdrew: their answers are left out of every figure, export and release "
        "from now on, nothing of theirs is taken any more, and their name is forgotten. It cannot be undone.",
        epilog="example: python -m annotation withdraw a-3f9c2b81d0e4",
    )
    p.add_argument("pseudonym", metavar="PSEUDONYM", help="as in the judgments, such as a-3f9c2b81d0e4")
    add_data_option(p, "journal.sqlite")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Notes it and says how much is left out."""
    with open_journal(options) as journal:
        journal.withdraw(options.pseudonym)
        gone = sum(row.annotator == options.pseudonym for row in journal.all_judgments(include_withdrawn=True))
    print_text(f"{options.pseudonym} has withdrawn: {gone:,} judgments are left out from now on.")
