"""Tokens as the app hands them out, and the cookie of a login on a Space."""

from __future__ import annotations

import base64
import hashlib
import json
import time

from itsdangerous import TimestampSigner

from annotation.identity.tokens import PersonalCode, make_session_token, new_session


def session_token(name: str, key: bytes) -> str:
    """The token of somebody who has just signed in under this name: each call is a session of its own."""
    return make_session_token(new_session(PersonalCode(name, 0)), key)


def organiser_token(organiser_key: str) -> str:
    """The token of whoever opened the organiser's link with this key."""
    return session_token("Organiser", organiser_key.encode())


def login_cookie(name: str, secret: str) -> str:
    """The cookie of somebody who is logged in, as Starlette signs it with Gradio's key."""
    about = {"userinfo": {"preferred_username": name}, "expires_at": int(time.time()) + 600}
    key = hashlib.sha256(f"{secret}-v4".encode()).hexdigest()
    payload = base64.b64encode(json.dumps({"oauth_info": about}).encode())
    return TimestampSigner(key).sign(payload).decode()
