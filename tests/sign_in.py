"""Tokens as the app hands them out."""

from __future__ import annotations

from annotation.identity.tokens import Session, make_session_token


def session_token(name: str, key: bytes, link_number: int = 0, session_id: str = "a session") -> str:
    """The token of somebody who is signed in under this name."""
    return make_session_token(Session(name, link_number, session_id), key)


def organiser_token(organiser_key: str) -> str:
    """The token of whoever opened the organiser's link with this key."""
    return session_token("Organiser", organiser_key.encode())
