"""Who asks, and in which role: found out anew in every handler, from the request and what the browser keeps.

On a Hugging Face Space it is the login that counts, and organisers are those whom MAPS_ORGANISERS names. Elsewhere
anyone can type a name: a signed token then says who is there, and the organiser's role comes from the key in the link
that is printed at the start. That key is random and made anew at each start, so a link that got about ends with the
process, while one derived from the key of pseudonyms could never be taken back.
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

ORGANISER_NAME = "Organiser"  # the name shown for whoever holds the organiser's link


@dataclass(frozen=True)
class Annotator:
    """Someone who signed in; the pseudonym is what is stored with judgments."""

    name: str
    pseudonym: str


class HasRequest(Protocol):
    """What is read of a handler's `gr.Request`: the HTTP request inside it."""

    @property
    def request(self) -> Any:
        """Starlette's request, or None."""


def identify_annotator(services: Services, token: object, request: HasRequest) -> Annotator | None:
    """Who annotates: the login on a Space, where no token counts; elsewhere whom the signed token names."""
    name = login_name(request) if services.is_on_space else pseudonyms.read_session_token(token, services.pseudonym_key)
    return None if name is None else annotator_for_name(services, name)


def identify_organiser(services: Services, key: object, request: HasRequest) -> Annotator | None:
    """The organiser, if it is one who asks; `key` is the one of the printed link, which counts only off a Space."""
    if services.is_on_space:
        name = login_name(request)
        known = name is not None and pseudonyms.normalise_name(name) in services.organisers
        return annotator_for_name(services, name) if name is not None and known else None
    given = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else b""
    if not services.organiser_key or not hmac.compare_digest(given, services.organiser_key.encode()):
        return None
    return Annotator(ORGANISER_NAME, pseudonyms.derive_organiser_pseudonym(services.pseudonym_key))


def annotator_for_name(services: Services, name: str) -> Annotator:
    """The annotator of a name."""
    return Annotator(name, pseudonyms.derive_pseudonym(name, services.pseudonym_key))


def login_name(request: HasRequest) -> str | None:
    """The Hugging Face user name of whoever is logged in on a Space; None for nobody, or after the login has ended.

    Gradio keeps the login in a cookie that it signs (`gr.LoginButton`).
    """
    scope = getattr(request.request, "scope", None)
    session = scope.get("session") if isinstance(scope, Mapping) else None
    login = session.get("oauth_info") if isinstance(session, Mapping) else None
    if not isinstance(login, Mapping):
        return None
    ends, about = login.get("expires_at"), login.get("userinfo")
    if isinstance(ends, int | float) and ends < time.time():
        return None
    name = about.get("preferred_username") if isinstance(about, Mapping) else None
    return name if isinstance(name, str) and name else None


def organiser_link(services: Services, base: str) -> str | None:
    """The address that gives its visitor the organiser's role; None on a Space, where the login does."""
    return None if services.is_on_space else f"{base}/organise?{urlencode({'key': services.organiser_key})}"
