"""Links for people who are invited to a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlencode

from annotation.identity import pseudonyms
from annotation.identity.tokens import (
    ANYBODY_WITH_THE_LINK,
    THE_PANEL,
    PersonalCode,
    make_invitation,
    make_personal_code,
)
from maps.errors import MapsError
from maps.files.csv_export import escape_formula, rows_to_csv

Invitation = tuple[str, str, str]  # name, pseudonym, link


def parse_people(lines: Iterable[str]) -> list[str]:
    """The names in a list, one a line, each once; a heading `name` is left out. Raises MapsError for a bad one."""
    people: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        name = line.split(",")[0].strip().strip('"').strip()
        if not name or (number == 1 and name.casefold() in ("name", "names")):
            continue
        if problems := pseudonyms.name_problems(name):
            raise MapsError(f"Line {number} of the list: {problems[0]}")
        people.setdefault(pseudonyms.normalise_name(name), name)
    if not people:
        raise MapsError("The list has no names; write one a line.")
    return list(people.values())


def invitation_links(
    people: Iterable[str], study: str, address: str, key: bytes, link_number: Callable[[str], int] | None
) -> list[Invitation]:
    """The name, the pseudonym and the link of each person.

    `link_number` gives how many personal links of a pseudonym were replaced; None where people have a login of the Hub:
    then the names are logins, and the link signs nobody in.
    """
    links = []
    for name in people:
        pseudonym = pseudonyms.derive_pseudonym(name, key)
        query = {"study": study, "invitation": make_invitation(study, pseudonym, key)}
        if link_number is not None:
            query["code"] = make_personal_code(PersonalCode(name, link_number(pseudonym)), key)
        links.append((name, pseudonym, f"{address.rstrip('/')}/annotate?{urlencode(query)}"))
    return links


def shared_link(study: str, address: str, key: bytes) -> str:
    """A link that lets everybody who has it into a study, under a name that they choose."""
    query = {"study": study, "invitation": make_invitation(study, ANYBODY_WITH_THE_LINK, key)}
    return f"{address.rstrip('/')}/annotate?{urlencode(query)}"


def panel_link(study: str, address: str, key: bytes, parameter: str, placeholder: str) -> str:
    """The link to give to a panel, which puts each person's id in place of `placeholder`, or adds it by itself."""
    query = {"study": study, "invitation": make_invitation(study, THE_PANEL, key)}
    link = f"{address.rstrip('/')}/annotate?{urlencode(query)}"
    return f"{link}&{parameter}={placeholder}" if placeholder else link


def invitations_csv(links: Iterable[Invitation]) -> str:
    """The links as a CSV with a heading."""
    rows = ((escape_formula(name), pseudonym, link) for name, pseudonym, link in links)
    return rows_to_csv([("name", "pseudonym", "link"), *rows])
