"""The command `invite`: a link for each person who is invited to a study."""

from __future__ import annotations

import argparse
from pathlib import Path

from annotation.commands.arguments import add_data_option, data_folder, find_named_study, journal_path
from annotation.identity.invitations import invitation_links, invitations_csv, parse_people
from annotation.identity.key import load_or_create_pseudonym_key
from annotation.journal.journal import Journal
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError
from maps.files.atomic import write_file


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "invite",
        help="make a link for each person who is invited to a study",
        description="Makes a personal link for each person on a list. It signs them in and lets them into the study, "
        "also into one for invited people only. Needs the data folder of the app and, if it is set there, "
        "MAPS_PSEUDONYM_KEY. Keep the links as secret as the answers: whoever has one can answer in that name.",
        epilog="example: python -m annotation invite pilot --people people.csv --address https://study.example.org",
    )
    p.add_argument("study", metavar="STUDY", help="the study's name")
    people_help = "names, one a line (or a CSV's first column)"
    p.add_argument("--people", type=Path, required=True, metavar="FILE", help=people_help)
    p.add_argument("--address", default="http://127.0.0.1:7860", metavar="URL", help="the address of the app")
    p.add_argument(
        "--logins",
        action="store_true",
        help="the names are logins of the Hub, for an app on a Space: links sign nobody in",
    )
    p.add_argument("--out", type=Path, metavar="FILE", help="write a CSV with names and links (default: print them)")
    add_data_option(p, "the studies, the journal and pseudonym.key")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    study = find_named_study(options, options.study)
    try:
        people = parse_people(options.people.read_text(encoding="utf-8-sig").splitlines())
    except OSError as error:
        raise MapsError(f"{options.people} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise MapsError(f"{options.people} is not a text file in UTF-8; save the list as such.") from error
    key = load_or_create_pseudonym_key(options.environment.get("MAPS_PSEUDONYM_KEY") or "", data_folder(options))
    with Journal(journal_path(options)) as journal:
        numbers = None if options.logins else journal.personal_link_number
        links = invitation_links(people, study.name, options.address, key, numbers)
    text = invitations_csv(links)
    if options.out is None:
        print_text(text.replace("\r\n", "\n").rstrip("\n"))
    else:
        write_file(options.out, text.encode(), 0o600)
        print_text(f"{len(links):,} links are in {options.out}.")
