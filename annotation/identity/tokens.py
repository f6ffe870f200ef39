"""Signed texts by which a page knows who is answering, where people have no account: off a Space.

- A personal code is made when somebody signs in for the first time. It is in their personal link, which they keep; it
  does not expire, and an organiser can replace it.
- A session token is what a browser keeps after signing in. It expires, and signing out ends it.
- An invitation is in the link of somebody who is invited to a study. It counts for that person only.

They are signed with the pseudonym key, not encrypted. Nobody gets the first two by typing a name that is in use.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, NamedTuple

from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer

from annotation.identity.pseudonyms import check_key

MAX_TOKEN_LENGTH = 4096
ANYBODY_WITH_THE_LINK, THE_PANEL = "anybody", "panel"  # in place of a pseudonym, which begins with a-
SESSION_DAYS = 30  # a token older than this counts for nothing; every visit makes a new one
_SIGNER = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


class PersonalCode(NamedTuple):
    """Whose link it is, and how many links they had before it: only the newest counts."""

    name: str
    link_number: int


class Session(NamedTuple):
    """One sign-in: of whom, by which of their links, and its own id, by which it can be ended.

    Of somebody from a panel, `name` is their id there, and `panel` is the study that they came to.
    """

    name: str
    link_number: int
    session_id: str
    panel: str = ""


def new_session(code: PersonalCode) -> Session:
    return Session(*code, secrets.token_hex(16))


def new_panel_session(study: str, panel_id: str) -> Session:
    return Session(panel_id, 0, secrets.token_hex(16), study)


def make_personal_code(code: PersonalCode, key: bytes) -> str:
    return _lasting_serializer("maps personal link", key).dumps(list(code))


def read_personal_code(text: object, key: bytes) -> PersonalCode | None:
    """The code in a personal link that this key signed; None for anything else. Never raises."""
    content = _read_lasting(text, "maps personal link", key)
    return None if content is None else PersonalCode(str(content[0]), int(content[1]))


def make_invitation(study: str, invited: str, key: bytes) -> str:
    """The text in a link that lets somebody into a study for invited people only.

    `invited` is a person's pseudonym, `ANYBODY_WITH_THE_LINK`, or `THE_PANEL`, whose people are let in by their id.
    """
    return _lasting_serializer("maps invitation", key).dumps([study, invited])


def is_invitation(text: object, study: str, invited: str, key: bytes) -> bool:
    """Whether this key signed the text for this study and person, or group. Never raises."""
    return _read_lasting(text, "maps invitation", key) == [study, invited]


def _lasting_serializer(salt: str, key: bytes) -> URLSafeSerializer:
    """Signs texts that do not expire; one made with another salt counts for nothing."""
    return URLSafeSerializer(check_key(key), salt=salt, signer_kwargs=_SIGNER)


def _read_lasting(text: object, salt: str, key: bytes) -> list[Any] | None:
    """The list in a text that this key signed with this salt; None for anything else."""
    if not isinstance(text, str) or not _may_be_signed(text):
        return None
    try:
        content: list[Any] = _lasting_serializer(salt, key).loads(text)
    except BadData:
        return None
    return content


def make_session_token(session: Session, key: bytes) -> str:
    return URLSafeTimedSerializer(check_key(key), salt="maps session", signer_kwargs=_SIGNER).dumps(list(session))


def read_session_token(token: object, key: bytes) -> Session | None:
    """The session in a token that this key signed within the last `SESSION_DAYS`; None for anything else.

    Never raises, whatever the browser sends. The signature is checked before the content is decoded. Whether the
    session was ended since, only the journal knows.
    """
    if not isinstance(token, str) or not _may_be_signed(token):
        return None
    serializer = URLSafeTimedSerializer(check_key(key), salt="maps session", signer_kwargs=_SIGNER)
    try:
        name, number, session_id, panel = serializer.loads(token, max_age=SESSION_DAYS * 24 * 60 * 60)
    except BadData:
        return None
    return Session(str(name), int(number), str(session_id), str(panel))


def _may_be_signed(text: str) -> bool:
    return len(text) <= MAX_TOKEN_LENGTH and text.isascii()
