"""Identity: pseudonyms that need the key, tokens that need the key, hostile input that does no harm."""

from __future__ import annotations

import base64
import json

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
    assert pseudonyms.name_problems(" \t ") == ["Please give a name."]
    assert pseudonyms.name_problems("x" * 81) == ["The name has 81 characters; 80 is the most."]
    for name in ("Ada\x1b[31m", "Ada\u202e", "A\ud800"):
        assert pseudonyms.name_problems(name) == ["The name holds characters that cannot be shown; please remove them."]


def test_a_token_gives_the_name_back_to_its_key_only() -> None:
    token = pseudonyms.make_session_token("Łukasz 王", KEY, issued_at=1000)
    assert pseudonyms.read_session_token(token, KEY) == "Łukasz 王"
    assert pseudonyms.read_session_token(token, b"another key") is None
    assert pseudonyms.read_session_token(token, KEY, not_before=1000) == "Łukasz 王"
    assert pseudonyms.read_session_token(token, KEY, not_before=1001) is None


def test_a_token_changed_anywhere_is_no_token() -> None:
    token = pseudonyms.make_session_token("Ada", KEY, issued_at=1000)
    for position, character in enumerate(token):
        changed = token[:position] + ("A" if character != "A" else "B") + token[position + 1 :]
        assert pseudonyms.read_session_token(changed, KEY) is None


def test_hostile_tokens_are_nobody() -> None:
    forged = base64.urlsafe_b64encode(json.dumps({"name": "Ada", "issued_at": 0}).encode()).decode()
    hostile: list[object] = [
        None,
        3,
        b"x",
        [],
        {},
        "",
        ".",
        "..",
        "a.b.c",
        forged,
        forged + ".",
        f"{forged}.é",
        "\0.\0",
    ]
    hostile += ["A" * 10**6, "[" * 4000, "\ud800.\ud800", pseudonyms.derive_pseudonym("Ada", KEY)]
    assert [pseudonyms.read_session_token(token, KEY) for token in hostile] == [None] * len(hostile)


def test_a_pseudonym_is_no_signature() -> None:
    text = base64.urlsafe_b64encode(b'{"name": "Ada", "issued_at": 0}').decode()
    assert pseudonyms.read_session_token(f"{text}.{pseudonyms._keyed_hash('pseudonym', text, KEY)}", KEY) is None
