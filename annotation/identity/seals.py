"""Text that a browser keeps for the server but can neither read nor change: encrypted and authenticated (Fernet)."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from annotation.identity.pseudonyms import check_key

MAX_SEAL_LENGTH = 40_000  # characters: twice what a judgment with the longest comment needs


def _cipher(key: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hmac.digest(check_key(key), b"outbox", hashlib.sha256)))


def seal_text(text: str, key: bytes) -> str:
    """Encrypts a text so that only this key opens it."""
    return _cipher(key).encrypt(text.encode()).decode("ascii")


def unseal_text(seal: object, key: bytes) -> str | None:
    """The text in a seal made with this key; None for anything else that a browser may send."""
    if not isinstance(seal, str) or len(seal) > MAX_SEAL_LENGTH or not seal.isascii():
        return None
    try:
        return _cipher(key).decrypt(seal).decode()
    except InvalidToken:
        return None
