"""Who sends a request, and in which role. Every handler determines it again from the request and the browser's token.

On a Hugging Face Space only the login counts, and MAPS_ORGANISERS names the organisers. Elsewhere people choose a name.
Whoever is the first with a name gets a session, whose signed token the browser keeps, and a personal link for other
devices; typing a name that is in use opens nothing. The organiser's session comes from the link that the app prints at
its start. Its key is random and new at each start: a link that was passed on stops working with the process. A key
derived from the pseudonym key could never be revoked.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from annotation.identity import pseudonyms, tokens
from annotation.identity.tokens import PersonalCode, Session
from space.services import Services

ORGANISER_NAME = "Organiser"  # shown for whoever opened the organiser's link


@dataclass(frozen=True)
class Annotator:
    """A person who is signed in. Judgments are stored with the pseudonym.

    Of somebody from a panel, `name` is their id there, and `panel` is the study that they came to.
    """

    name: str
    pseudonym: str
    panel: str = ""


class HasRequest(Protocol):
    """The part of `gr.Request` that is used: the HTTP request inside it."""

    @property
    def request(self) -> Any:
        """Starlette's request, or None."""


def identify_annotator(services: Services, token: object, request: HasRequest) -> Annotator | None:
    """The annotator or None: who has the session in the token. On a Space a token counts for people of a panel only,
    and everybody else has a login."""
    session = valid_session(services, token)
    if session is not None and session.panel:
        pseudonym = pseudonyms.derive_panel_pseudonym(session.panel, session.name, services.pseudonym_key)
        return Annotator(session.name, pseudonym, session.panel)
    name = login_name(request) if services.is_on_space else session.name if session else None
    return None if name is None else annotator_for_name(name, services.pseudonym_key)


def valid_session(services: Services, token: object) -> Session | None:
    """The session in a token, unless it has expired, was ended, or came from a personal link that was replaced."""
    session = lasting_session(services, token, services.pseudonym_key)
    if session is None or not session.name:
        return None
    if session.panel:  # nobody replaces a panel's link
        return session
    return session if session.link_number == current_code(services, session.name).link_number else None


def lasting_session(services: Services, token: object, key: bytes) -> Session | None:
    """The session in a token that `key` signed, unless it has expired or was ended."""
    session = tokens.read_session_token(token, key)
    return None if session is None or services.journal.is_session_ended(session.session_id) else session


def visitor_token(services: Services) -> str:
    """A token for somebody who has not signed in. If they do, its id shows that a repeated request is theirs."""
    return make_token(services, tokens.new_session(PersonalCode("", 0)))


def visitor_session_id(services: Services, token: object) -> str | None:
    """The id in the token of somebody who has not signed in; None for any other token."""
    session = tokens.read_session_token(token, services.pseudonym_key)
    return session.session_id if session is not None and not session.name else None


def begin_session(services: Services, name: str) -> str:
    """A token for somebody who has just been identified; a new sign-in of its own."""
    return make_token(services, tokens.new_session(current_code(services, name)))


def make_token(services: Services, session: Session) -> str:
    return tokens.make_session_token(session, services.pseudonym_key)


def session_from_link(services: Services, code: object) -> str | None:
    """The token of a new session for whoever opened a personal link; None if the link counts for nothing."""
    read = tokens.read_personal_code(code, services.pseudonym_key)
    if read is None or read != current_code(services, read.name):
        return None
    return make_token(services, tokens.new_session(read))


def current_code(services: Services, name: str) -> PersonalCode:
    """What a person's newest personal link holds."""
    pseudonym = pseudonyms.derive_pseudonym(name, services.pseudonym_key)
    return PersonalCode(name, services.journal.personal_link_number(pseudonym))


def personal_link(services: Services, name: str, request: HasRequest) -> str:
    """The address by which a person signs in on another device, or after their session."""
    code = tokens.make_personal_code(current_code(services, name), services.pseudonym_key)
    return f"{own_address(services, request)}/annotate?{urlencode({'code': code})}"


def own_address(services: Services, request: HasRequest) -> str:
    """The app's address as this visitor's browser knows it."""
    http = request.request
    origin = http.headers.get("origin") or str(http.base_url).rstrip("/")
    return services.public_address or origin + str(http.scope.get("root_path", "")).rstrip("/")


def identify_organiser(services: Services, token: object, request: HasRequest) -> Annotator | None:
    """The organiser, or None for anybody else: on a Space by login, elsewhere by the token of their session."""
    if services.is_on_space:
        name = login_name(request)
        if name is None or pseudonyms.normalise_name(name) not in services.organisers:
            return None
        return annotator_for_name(name, services.pseudonym_key)
    if not services.organiser_key or lasting_session(services, token, services.organiser_key.encode()) is None:
        return None
    return Annotator(ORGANISER_NAME, pseudonyms.derive_organiser_pseudonym(services.pseudonym_key))


def organiser_session_from_key(services: Services, key: object) -> str | None:
    """The token of an organiser's new session for the key in the printed link; None for any other key.

    The key itself stays neither in the address nor in the browser.
    """
    sent_key = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else b""
    if not services.organiser_key or not hmac.compare_digest(sent_key, services.organiser_key.encode()):
        return None
    session = tokens.new_session(PersonalCode(ORGANISER_NAME, 0))
    return tokens.make_session_token(session, services.organiser_key.encode())


def panel_session(services: Services, study: str, panel_id: str) -> str:
    """A token for somebody who came from a panel."""
    return make_token(services, tokens.new_panel_session(study, panel_id))


def end_session(services: Services, token: object, key: bytes) -> None:
    """Ends the session of a token that `key` signed; anything else is ignored."""
    session = tokens.read_session_token(token, key)
    if session is not None:
        services.journal.end_session(session.session_id)


def annotator_for_name(name: str, key: bytes) -> Annotator:
    return Annotator(name, pseudonyms.derive_pseudonym(name, key))


def login_name(request: HasRequest) -> str | None:
    """The Hugging Face user name of the person logged in on a Space; None if nobody is, or the login has expired."""
    user = (current_login(request) or {}).get("userinfo")
    name = user.get("preferred_username") if isinstance(user, Mapping) else None
    return name if isinstance(name, str) and name else None


def current_login(request: HasRequest) -> Mapping[str, Any] | None:
    """The login of a person on a Space, which Gradio keeps in a signed cookie; None without one or after its time."""
    scope = getattr(request.request, "scope", None)
    session = scope.get("session") if isinstance(scope, Mapping) else None
    login = session.get("oauth_info") if isinstance(session, Mapping) else None
    if not isinstance(login, Mapping):
        return None
    expires_at = login.get("expires_at")
    return None if isinstance(expires_at, int | float) and expires_at < time.time() else login


def organiser_link(services: Services, base: str) -> str | None:
    """The address that gives its visitor the organiser's role; None on a Space, where the login decides."""
    return None if services.is_on_space else f"{base}/organise?{urlencode({'key': services.organiser_key})}"
