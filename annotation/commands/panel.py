"""The command `panel`: the link to give to a panel, and what its people did, by their ids there."""

from __future__ import annotations

import argparse
from pathlib import Path

from annotation.commands.arguments import add_data_option, data_folder, find_named_study, open_journal
from annotation.commands.withdraw import publish_withdrawal
from annotation.export.payments import list_payments, parse_panel_ids, payments_csv
from annotation.identity.invitations import panel_link
from annotation.identity.key import load_or_create_pseudonym_key
from annotation.study.study import Study
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError
from maps.files.atomic import write_file
from maps.text import pluralize


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "panel",
        help="the link to give to a panel of annotators, and the list by which its people are paid",
        description="Without --ids, prints the link to give to the panel of a study (`study create --panel`). With "
        "--ids, prints what each of these people did, as a CSV; with --withdraw too, excludes their answers first, "
        "which gives their places to others: for people who returned the study or took too long. Needs the data "
        "folder of the app and, if it is set there, MAPS_PSEUDONYM_KEY.",
        epilog="example: python -m annotation panel pilot --ids prolific_export.csv --out payments.csv",
    )
    p.add_argument("study", metavar="STUDY", help="the study's name")
    p.add_argument("--address", default="http://127.0.0.1:7860", metavar="URL", help="the address of the app")
    ids_help = "ids of people at the panel, one a line, or a CSV with a column of them as the panel exports it"
    p.add_argument("--ids", type=Path, metavar="FILE", help=ids_help)
    withdraw_help = "exclude the answers of the people in --ids for good, while the study is still running"
    p.add_argument("--withdraw", action="store_true", help=withdraw_help)
    p.add_argument("--out", type=Path, metavar="FILE", help="write the list to a CSV (default: print it)")
    add_data_option(p, "the studies, the journal and pseudonym.key")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    study = find_named_study(options, options.study)
    panel = study.settings.panel
    if not panel.parameter:
        raise MapsError(f"{study.name} has no panel; `study create --panel` or `--panel-parameter` names one.")
    key = load_or_create_pseudonym_key(options.environment.get("MAPS_PSEUDONYM_KEY") or "", data_folder(options))
    if options.ids is None:
        if options.withdraw:
            raise MapsError("--withdraw needs --ids: the people whose answers are to be excluded.")
        print_text(panel_link(study.name, options.address, key, panel.parameter, panel.placeholder))
        return
    _list_people(options, study, key)


def _list_people(options: argparse.Namespace, study: Study, key: bytes) -> None:
    try:
        lines = options.ids.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise MapsError(f"{options.ids} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise MapsError(f"{options.ids} is not a text file in UTF-8; save the list as such.") from error
    ids = parse_panel_ids(lines, study.settings.panel.parameter)
    with open_journal(options) as journal:
        payments = list_payments(journal, study, ids, key)
        if options.withdraw:
            present = [each for each in payments if each.state not in ("withdrawn", "not known here")]
            for each in present:
                journal.withdraw(each.pseudonym)
            print_text(f"Withdrawn: {pluralize(len(present), 'participant')} of {len(payments):,}.")
            if present and (ledger := options.environment.get("MAPS_JUDGMENTS")):
                publish_withdrawal(options, journal, ledger)
            payments = list_payments(journal, study, ids, key)
    text = payments_csv(payments)
    if options.out is None:
        print_text(text.replace("\r\n", "\n").rstrip("\n"))
    else:
        write_file(options.out, text.encode(), 0o600)
        print_text(f"What {pluralize(len(payments), 'participant')} did is in {options.out}.")
