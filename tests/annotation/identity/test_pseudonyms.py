"""Identity: pseudonyms that need the key, tokens that need the key, hostile input that does no harm."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

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


def test_only_the_key_that_made_a_token_reads_it() -> None:
    token = pseudonyms.make_session_token("Łukasz 王", KEY)
    assert pseudonyms.read_session_token(token, KEY) == "Łukasz 王"
    assert pseudonyms.read_session_token(token, b"another key") is None


def test_a_token_expires_and_the_name_typed_again_has_the_same_pseudonym(monkeypatch: pytest.MonkeyPatch) -> None:
    token, made, age = pseudonyms.make_session_token("Ada", KEY), time.time(), pseudonyms.SESSION_DAYS * 86_400
    for seconds, name in ((0, "Ada"), (age - 60, "Ada"), (age + 60, None), (-3600, None)):
        monkeypatch.setattr(time, "time", lambda later=made + seconds: later)
        assert pseudonyms.read_session_token(token, KEY) == name
    monkeypatch.setattr(time, "time", lambda: made + 2 * age)
    name = pseudonyms.read_session_token(pseudonyms.make_session_token("Ada", KEY), KEY)
    assert name == "Ada"
    assert pseudonyms.derive_pseudonym(name, KEY) == pseudonyms.derive_pseudonym("Ada", KEY)


def test_the_contract_says_how_long_a_token_counts() -> None:
    contract = Path(__file__).parents[3] / "docs" / "contract.md"
    assert f"which counts for {pseudonyms.SESSION_DAYS} days" in contract.read_text(encoding="utf-8")


def test_a_token_changed_anywhere_is_no_token() -> None:
    token = pseudonyms.make_session_token("Ada", KEY)
    for position, character in enumerate(token[:-1]):  # two bits of the last character carry nothing
        changed = token[:position] + ("A" if character != "A" else "B") + token[position + 1 :]
        assert pseudonyms.read_session_token(changed, KEY) is None


def test_hostile_tokens_are_nobody() -> None:
    payload, date, signature = pseudonyms.make_session_token("Ada", KEY).split(".")
    unsigned = URLSafeSerializer(KEY, salt="maps session").dumps("Ada")
    hostile: list[object] = [None, 3, b"x", [], {}, "", ".", "..", "a.b.c", f"{payload}.é", "\0.\0", unsigned]
    hostile += [payload, f"{payload}.", f"{payload}.{date}", f"{payload}.{date}.", f"{payload}.{signature}"]
    hostile += [f"{payload}.{'_' * 40}.{signature}", f".{payload}.{date}.{signature}"]
    hostile += ["A" * 10**6, "[" * 4000, "\ud800.\ud800", pseudonyms.derive_pseudonym("Ada", KEY)]
    assert [pseudonyms.read_session_token(token, KEY) for token in hostile] == [None] * len(hostile)


@pytest.mark.parametrize("salt", ["item", "organiser", "pseudonym", "outbox", "", "itsdangerous"])
def test_a_token_for_another_purpose_signs_nobody_in(salt: str) -> None:
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    other = URLSafeTimedSerializer(KEY, salt=salt, signer_kwargs=options).dumps("Ada")
    assert pseudonyms.read_session_token(other, KEY) is None
