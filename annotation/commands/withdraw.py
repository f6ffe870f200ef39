"""The command `withdraw`: leaves out everything of an annotator who asks for it."""

from __future__ import annotations

import argparse

from annotation.commands.arguments import add_data_option, data_folder, open_journal
from annotation.journal.journal import Journal
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError, RunFailedError
from maps.text import pluralize


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "withdraw",
        help="leave out everything of an annotator who asks for it",
        description="Records that an annotator withdrew: their answers are left out of all later results, exports and "
        "releases, and they can give no more answers. This cannot be undone. If MAPS_JUDGMENTS "
        "names a ledger, the withdrawal is also published there, and their answers are removed from its files and "
        "history.",
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
        if name := options.environment.get("MAPS_JUDGMENTS"):
            publish_withdrawal(options, journal, name)


def publish_withdrawal(options: argparse.Namespace, journal: Journal, ledger_name: str) -> None:
    """Publishes the withdrawal in the ledger and forgets the answers there; RunFailedError says what is not done."""
    from huggingface_hub import get_token

    from annotation.ledger import HubLedger
    from maps.hub.repository import HubDataset

    try:
        ledger = HubLedger(HubDataset(ledger_name, get_token() or ""), journal, data_folder(options))
        ledger.publish_withdrawals()
    except MapsError as error:
        raise RunFailedError(
            f"The withdrawal is not in the ledger {ledger_name} yet: {error} Keep {data_folder(options)} and run this "
            "command again, or start the app, which sends withdrawals first; do not publish a release before that."
        ) from error
    print_text(f"The withdrawal is in the ledger {ledger_name}.")
    try:
        ledger.forget_withdrawn()
    except MapsError as error:
        raise RunFailedError(
            f"The ledger {ledger_name} still holds answers that were withdrawn: {error} Run this command again, or "
            "start the app again, which removes them."
        ) from error
    print_text(f"The ledger {ledger_name} and its history no longer hold these answers.")
