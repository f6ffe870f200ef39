"""Session tokens and personal codes: what counts, for how long, and what never does."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

from annotation.identity import pseudonyms
from annotation.identity.tokens import (
    SESSION_DAYS,
    PersonalCode,
    Session,
    make_personal_code,
    make_session_token,
    new_session,
    read_personal_code,
    read_session_token,
)
from tests.sign_in import session_token

KEY = b"a key of thirty-two characters .."


def read_name(token: object, key: bytes) -> str | None:
    session = read_session_token(token, key)
    return session.name if session else None


def test_only_the_key_that_made_a_token_reads_it() -> None:
    token = session_token("Łukasz 王", KEY)
    assert read_name(token, KEY) == "Łukasz 王"
    assert read_name(token, b"another key") is None


def test_a_token_expires_and_the_name_typed_again_has_the_same_pseudonym(monkeypatch: pytest.MonkeyPatch) -> None:
    token, made, age = session_token("Ada", KEY), time.time(), SESSION_DAYS * 86_400
    for seconds, name in ((0, "Ada"), (age - 60, "Ada"), (age + 60, None), (-3600, None)):
        monkeypatch.setattr(time, "time", lambda later=made + seconds: later)
        assert read_name(token, KEY) == name
    monkeypatch.setattr(time, "time", lambda: made + 2 * age)
    name = read_name(session_token("Ada", KEY), KEY)
    assert name == "Ada"
    assert pseudonyms.derive_pseudonym(name, KEY) == pseudonyms.derive_pseudonym("Ada", KEY)


def test_the_contract_says_how_long_a_token_counts() -> None:
    contract = Path(__file__).parents[3] / "docs" / "contract.md"
    assert f"keeps for {SESSION_DAYS} days" in contract.read_text(encoding="utf-8")


def test_a_token_changed_anywhere_is_no_token() -> None:
    token = session_token("Ada", KEY)
    for position, character in enumerate(token[:-1]):  # two bits of the last character carry nothing
        changed = token[:position] + ("A" if character != "A" else "B") + token[position + 1 :]
        assert read_name(changed, KEY) is None


def test_hostile_tokens_are_nobody() -> None:
    payload, date, signature = session_token("Ada", KEY).split(".")
    unsigned = URLSafeSerializer(KEY, salt="maps session").dumps(["Ada", 0, "x"])
    hostile: list[object] = [None, 3, b"x", [], {}, "", ".", "..", "a.b.c", f"{payload}.é", "\0.\0", unsigned]
    hostile += [payload, f"{payload}.", f"{payload}.{date}", f"{payload}.{date}.", f"{payload}.{signature}"]
    hostile += [f"{payload}.{'_' * 40}.{signature}", f".{payload}.{date}.{signature}"]
    hostile += ["A" * 10**6, "[" * 4000, "\ud800.\ud800", pseudonyms.derive_pseudonym("Ada", KEY)]
    assert [read_name(token, KEY) for token in hostile] == [None] * len(hostile)


@pytest.mark.parametrize("salt", ["item", "organiser", "pseudonym", "outbox", "", "itsdangerous", "maps personal link"])
def test_a_token_for_another_purpose_signs_nobody_in(salt: str) -> None:
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    other = URLSafeTimedSerializer(KEY, salt=salt, signer_kwargs=options).dumps(["Ada", 0, "x"])
    assert read_name(other, KEY) is None


def test_a_personal_code_names_a_person_and_their_link_and_does_not_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    code = make_personal_code(PersonalCode("Łukasz 王", 2), KEY)
    monkeypatch.setattr(time, "time", lambda: 10**10)
    assert read_personal_code(code, KEY) == PersonalCode("Łukasz 王", 2)
    for wrong in (None, 3, "", code[:-2], "x" + code, session_token("Ada", KEY), "\ud800", "A" * 10**6):
        assert read_personal_code(wrong, KEY) is None
    assert read_personal_code(code, b"another key") is None


def test_a_code_is_no_session_and_every_session_has_an_id_of_its_own() -> None:
    code = PersonalCode("Ada", 0)
    assert read_session_token(make_personal_code(code, KEY), KEY) is None
    one, other = new_session(code), new_session(code)
    assert one.session_id != other.session_id
    assert read_session_token(make_session_token(one, KEY), KEY) == Session("Ada", 0, one.session_id)
