"""Tokens as the app hands them out."""

from __future__ import annotations

from annotation.identity.tokens import PersonalCode, make_session_token, new_session


def session_token(name: str, key: bytes) -> str:
    """The token of somebody who has just signed in under this name: each call is a session of its own."""
    return make_session_token(new_session(PersonalCode(name, 0)), key)


def organiser_token(organiser_key: str) -> str:
    """The token of whoever opened the organiser's link with this key."""
    return session_token("Organiser", organiser_key.encode())
