"""Names, their pseudonyms, and the signed token by which a page knows who is answering.

The key stays on the server: without it nobody can tell which name a pseudonym stands for, or make a token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import unicodedata
from functools import lru_cache

from maps.errors import MapsError

MAX_NAME_LENGTH = 80
MAX_TOKEN_LENGTH = 4096


def normalise_name(name: str) -> str:
    """The name as it is compared: compatibility forms, case and runs of white space make no difference."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.split())


def name_problems(name: str) -> list[str]:
    """One plain sentence for each thing that is wrong with a name; empty where it will do."""
    found = []
    if not normalise_name(name):
        found.append("Please give a name.")
    if len(name) > MAX_NAME_LENGTH:
        found.append(f"The name has {len(name)} characters; {MAX_NAME_LENGTH} is the most.")
    if not " ".join(name.split()).isprintable():
        found.append("The name holds characters that cannot be shown; please remove them.")
    return found


def _keyed_hash(purpose: str, text: str, key: bytes) -> str:
    if not key:
        raise MapsError("The pseudonym key is empty; set MAPS_PSEUDONYM_KEY to a long random text.")
    return hmac.new(key, f"{purpose}\n{text}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def derive_pseudonym(name: str, key: bytes) -> str:
    """The pseudonym of a name, like `a-3f9c2b81d0e4`: 48 bits of HMAC-SHA256 over the normalised name."""
    return "a-" + _keyed_hash("pseudonym", normalise_name(name), key)[:12]


@lru_cache(maxsize=1 << 14)
def derive_item_handle(item_key: str, key: bytes) -> str:
    """What a browser gets in place of an item's key, which would tell a control from a true item."""
    return _keyed_hash("item", item_key, key)[:24]


def derive_organiser_pseudonym(key: bytes) -> str:
    """The pseudonym of whoever holds the organiser's link: one that no name has."""
    return "a-" + _keyed_hash("organiser", "", key)[:12]


def make_session_token(name: str, key: bytes, issued_at: int) -> str:
    """A token that says "this is `name`, since `issued_at`" (seconds since 1970), which only the key can make."""
    payload = json.dumps({"name": name, "issued_at": issued_at}).encode()
    text = base64.urlsafe_b64encode(payload).decode("ascii")
    return f"{text}.{_keyed_hash('session', text, key)}"


def read_session_token(token: object, key: bytes, not_before: int = 0) -> str | None:
    """The name in a token that this key signed at `not_before` or later; None for anything else.

    Takes whatever a browser may send and never raises on it: the signature is checked, in constant time,
    before anything is decoded.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        return None
    text, _, signature = token.partition(".")
    if not hmac.compare_digest(signature.encode(), _keyed_hash("session", text, key).encode()):
        return None
    payload = json.loads(base64.urlsafe_b64decode(text))
    return str(payload["name"]) if payload["issued_at"] >= not_before else None
