"""How people arrive at the annotator's page: with the session in their browser, by their own link, or a panel's."""

from __future__ import annotations

from collections.abc import Mapping

from annotation.identity.tokens import THE_PANEL, is_invitation
from annotation.study.panel import check_panel_id
from annotation.study.study import Study
from space.components.markup import notice
from space.services import Services
from space.web import sessions

LINK_WORTHLESS = "This personal link is not valid here, or a newer one took its place. Ask for a new link."


def invitation_in(browser_state: object) -> object:
    """The invitation that the address of an earlier visit had."""
    return browser_state.get("invitation") if isinstance(browser_state, dict) else None


def open_session(services: Services, study: Study, token: object, query: Mapping[str, str]) -> tuple[str | None, str]:
    """The token to keep, and what to say of a personal link that counts for nothing.

    A session that goes on gets a new token, which expires later; a link of a person or a panel begins one of its own.
    """
    if is_panel_link(services, study, query) and (panel_id := check_panel_id(query[study.settings.panel.parameter])):
        return sessions.panel_session(services, study.name, panel_id), ""
    session = sessions.valid_session(services, token)
    if services.is_on_space:
        return (sessions.make_token(services, session) if session and session.panel else None), ""
    if (code := query.get("code")) is not None:
        token = sessions.session_from_link(services, code)
        return token, "" if token else notice(LINK_WORTHLESS, "problem")
    return (sessions.make_token(services, session) if session else None), ""


def is_panel_link(services: Services, study: Study, query: Mapping[str, str]) -> bool:
    """Whether an address is the link that this app made for the panel of this study."""
    invitation, key = query.get("invitation"), services.pseudonym_key
    return bool(study.settings.panel.parameter) and is_invitation(invitation, study.name, THE_PANEL, key)


def panel_link_problem(services: Services, study: Study, query: Mapping[str, str]) -> str | None:
    """What is wrong with a panel's link, which must hold the id of whoever opens it; None if nothing is."""
    panel = study.settings.panel
    if not is_panel_link(services, study, query) or check_panel_id(query.get(panel.parameter)) is not None:
        return None
    where = panel.name or "the page that sent you here"
    return f"This link lacks your participant id. Please open the study from {where}."
