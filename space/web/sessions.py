"""Who sends a request, and in which role. Every handler determines it again from the request and the browser's token.

On a Hugging Face Space only the login counts, and MAPS_ORGANISERS names the organisers. Elsewhere anyone can type a
name; a signed token in the browser then identifies them, and the key in the link that the app prints at its start gives
the organiser's role. That key is random and new at each start: a link that was passed on stops working with the
process. A key derived from the pseudonym key could never be revoked.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from annotation.identity import pseudonyms
from space.services import Services

ORGANISER_NAME = "Organiser"  # shown for whoever opened the organiser's link


@dataclass(frozen=True)
class Annotator:
    """A person who is signed in. Judgments are stored with the pseudonym."""

    name: str
    pseudonym: str


class HasRequest(Protocol):
    """The part of `gr.Request` that is used: the HTTP request inside it."""

    @property
    def request(self) -> Any:
        """Starlette's request, or None."""


def identify_annotator(services: Services, token: object, request: HasRequest) -> Annotator | None:
    """The annotator or None: on a Space the login (no token counts), elsewhere the name in a valid token."""
    name = login_name(request) if services.is_on_space else pseudonyms.read_session_token(token, services.pseudonym_key)
    return None if name is None else annotator_for_name(name, services.pseudonym_key)


def identify_organiser(services: Services, key: object, request: HasRequest) -> Annotator | None:
    """The organiser, or None for anybody else. `key` comes from the printed link and counts only off a Space."""
    if services.is_on_space:
        name = login_name(request)
        if name is None or pseudonyms.normalise_name(name) not in services.organisers:
            return None
        return annotator_for_name(name, services.pseudonym_key)
    sent_key = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else b""
    if not services.organiser_key or not hmac.compare_digest(sent_key, services.organiser_key.encode()):
        return None
    return Annotator(ORGANISER_NAME, pseudonyms.derive_organiser_pseudonym(services.pseudonym_key))


def annotator_for_name(name: str, key: bytes) -> Annotator:
    return Annotator(name, pseudonyms.derive_pseudonym(name, key))


def login_name(request: HasRequest) -> str | None:
    """The Hugging Face user name of the person logged in on a Space; None if nobody is, or the login has expired.

    `gr.LoginButton` keeps the login in a signed cookie.
    """
    scope = getattr(request.request, "scope", None)
    session = scope.get("session") if isinstance(scope, Mapping) else None
    login = session.get("oauth_info") if isinstance(session, Mapping) else None
    if not isinstance(login, Mapping):
        return None
    expires_at, user = login.get("expires_at"), login.get("userinfo")
    if isinstance(expires_at, int | float) and expires_at < time.time():
        return None
    name = user.get("preferred_username") if isinstance(user, Mapping) else None
    return name if isinstance(name, str) and name else None


def organiser_link(services: Services, base: str) -> str | None:
    """The address that gives its visitor the organiser's role; None on a Space, where the login decides."""
    return None if services.is_on_space else f"{base}/organise?{urlencode({'key': services.organiser_key})}"
