"""Links of invited people: they let in the person they were made for, and nobody else."""

from __future__ import annotations

from urllib.parse import parse_qs, urlparse

import pytest

from annotation.identity.invitations import invitation_links, parse_people
from annotation.identity.pseudonyms import derive_pseudonym
from annotation.identity.tokens import PersonalCode, is_invitation, read_personal_code
from maps.errors import MapsError

KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def test_a_link_lets_one_person_into_one_study() -> None:
    [(name, pseudonym, link)] = invitation_links(["Ada Lovelace"], "pilot", "http://a.org/", KEY, lambda _pseudonym: 3)
    address = urlparse(link)
    query = parse_qs(address.query)
    assert (name, address.path, query["study"]) == ("Ada Lovelace", "/annotate", ["pilot"])
    assert read_personal_code(query["code"][0], KEY) == PersonalCode("Ada Lovelace", 3)
    [invitation] = query["invitation"]
    ada, grace = derive_pseudonym(" ada  lovelace", KEY), derive_pseudonym("Grace", KEY)
    assert pseudonym == ada
    assert is_invitation(invitation, "pilot", ada, KEY)
    assert not is_invitation(invitation, "pilot", grace, KEY)
    assert not is_invitation(invitation, "other", ada, KEY)
    assert not is_invitation(invitation, "pilot", ada, OTHER_KEY)
    for forged in (None, 7, "", "x.y", invitation[:-1], query["code"][0], "é", "x" * 9000):
        assert not is_invitation(forged, "pilot", ada, KEY)


def test_where_people_have_a_login_the_link_signs_nobody_in() -> None:
    [(_, _, link)] = invitation_links(["ada"], "pilot", "https://a.hf.space", KEY, None)
    assert parse_qs(urlparse(link).query).keys() == {"study", "invitation"}


def test_a_list_of_people_may_be_a_csv_and_names_each_once() -> None:
    lines = ["name,email", "Ada Lovelace,ada@example.org", "", ' "Grace" ', "ada  LOVELACE", "Alan"]
    assert parse_people(lines) == ["Ada Lovelace", "Grace", "Alan"]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [([], "has no names"), (["name", " "], "has no names"), (["Ada", "x" * 81], "Line 2 of the list")],
)
def test_a_bad_list_gets_one_sentence(lines: list[str], sentence: str) -> None:
    with pytest.raises(MapsError, match=sentence):
        parse_people(lines)
