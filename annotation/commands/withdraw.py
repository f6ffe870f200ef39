"""The command `withdraw`: leaves out everything of an annotator who asks for it."""

from __future__ import annotations

import argparse

from annotation.commands.arguments import add_data_option, open_journal
from maps.command_line import Subparsers, print_text
from maps.text import pluralize


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "withdraw",
        help="leave out everything of an annotator who asks for it",
        description="Records that an annotator withdrew: their answers are left out of all later results, exports and "
        "releases, they can give no more answers, and their name is deleted. This cannot be undone.",
        epilog="example: python -m annotation withdraw a-3f9c2b81d0e4",
    )
    p.add_argument("pseudonym", metavar="PSEUDONYM", help="the annotator's pseudonym, such as a-3f9c2b81d0e4")
    add_data_option(p, "journal.sqlite")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    with open_journal(options) as journal:
        journal.withdraw(options.pseudonym)
        gone = sum(row.annotator == options.pseudonym for row in journal.all_judgments(include_withdrawn=True))
    print_text(f"{options.pseudonym} has withdrawn. Left out from now on: {pluralize(gone, 'judgment')}.")
