"""Identity: pseudonyms that need the key, tokens that need the key, hostile input that does no harm."""

from __future__ import annotations

import pytest

from annotation.identity import pseudonyms
from maps.errors import MapsError

KEY = b"a key of the tests, sixteen bytes or more"


def test_a_name_has_one_pseudonym_however_it_is_typed() -> None:
    one = pseudonyms.derive_pseudonym("Ada Lovelace", KEY)
    assert {
        pseudonyms.derive_pseudonym(name, KEY) for name in ("ada  lovelace ", "ＡＤＡ Lovelace", "ADA\tLOVELACE")
    } == {one}
    assert pseudonyms.derive_pseudonym("Ada Byron", KEY) != one
    assert pseudonyms.derive_pseudonym("Ada Lovelace", b"another key") != one
    assert one.startswith("a-")
    assert len(one) == 14
    assert set(one[2:]) <= set("0123456789abcdef")


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(MapsError, match="The pseudonym key is empty"):
        pseudonyms.derive_pseudonym("Ada", b"")


def test_names_that_will_not_do_are_told_why() -> None:
    assert pseudonyms.name_problems("Ada Lovelace") == []
    assert pseudonyms.name_problems("Łukasz 王") == []
    assert pseudonyms.name_problems(" \t ") == ["Please enter your name."]
    assert pseudonyms.name_problems("x" * 81) == ["The name has 81 characters; the limit is 80."]
    for name in ("Ada\x1b[31m", "Ada\u202e", "A\ud800"):
        [problem] = pseudonyms.name_problems(name)
        assert "cannot be displayed" in problem
