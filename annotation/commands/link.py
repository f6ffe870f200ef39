"""The command `link`: a personal link for an annotator who has lost theirs."""

from __future__ import annotations

import argparse
from urllib.parse import urlencode

from annotation.commands.arguments import add_data_option, open_journal
from annotation.identity import pseudonyms
from annotation.identity.key import load_or_create_pseudonym_key
from annotation.identity.tokens import PersonalCode, make_personal_code
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "link",
        help="make a personal link for an annotator who has lost theirs",
        description="Prints the personal link by which an annotator signs in, where people choose a name (not on a "
        "Space). Give it to nobody else: whoever has it can answer in their name. Needs the data folder of the app "
        "and, if it is set there, MAPS_PSEUDONYM_KEY.",
        epilog="example: python -m annotation link 'Ada Lovelace' --replace --address https://study.example.org",
    )
    p.add_argument("name", metavar="NAME", help="the name as the annotator typed it")
    p.add_argument("--replace", action="store_true", help="end all earlier links and sessions of this annotator")
    p.add_argument("--address", default="http://127.0.0.1:7860", metavar="URL", help="the address of the app")
    add_data_option(p, "journal.sqlite and pseudonym.key")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    with open_journal(options) as journal:
        key = load_or_create_pseudonym_key(options.environment.get("MAPS_PSEUDONYM_KEY") or "", journal.path.parent)
        pseudonym = pseudonyms.derive_pseudonym(options.name, key)
        if not journal.is_known(pseudonym):
            raise MapsError(f"Nobody has signed in as {options.name!r}; check the name, the folder and the key.")
        number = journal.personal_link_number(pseudonym)
        if options.replace:
            number = journal.replace_personal_link(pseudonym)
    code = make_personal_code(PersonalCode(options.name.strip(), number), key)
    print_text(f"{options.address.rstrip('/')}/annotate?{urlencode({'code': code})}")
