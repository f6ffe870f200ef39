"""Names, their pseudonyms, and the signed token by which a page knows who is answering.

Everything here is derived from the pseudonym key, which stays on the server: without it nobody can link a pseudonym
to a name, or make a token.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from functools import lru_cache

from itsdangerous import BadData, URLSafeTimedSerializer

from maps.errors import MapsError

PSEUDONYM_PREFIX = "a-"
MAX_NAME_LENGTH = 80
MAX_TOKEN_LENGTH = 4096
SESSION_DAYS = 30  # a token older than this counts for nothing: the annotator types their name again


def check_key(key: bytes) -> bytes:
    """The pseudonym key; raises MapsError if it is empty."""
    if not key:
        raise MapsError("The pseudonym key is empty; set MAPS_PSEUDONYM_KEY to a long random text.")
    return key


def normalise_name(name: str) -> str:
    """The name as it is compared: compatibility forms, case and runs of white space make no difference."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.split())


def name_problems(name: str) -> list[str]:
    """One plain sentence for each problem with a name; empty for a usable name."""
    problems = []
    if not normalise_name(name):
        problems.append("Please enter your name.")
    if len(name) > MAX_NAME_LENGTH:
        problems.append(f"The name has {len(name)} characters; the limit is {MAX_NAME_LENGTH}.")
    if not " ".join(name.split()).isprintable():
        problems.append("The name contains characters that cannot be displayed; please remove them.")
    return problems


def _keyed_hash(purpose: str, text: str, key: bytes) -> str:
    message = f"{purpose}\n{text}".encode("utf-8", "surrogatepass")
    return hmac.new(check_key(key), message, hashlib.sha256).hexdigest()


def derive_pseudonym(name: str, key: bytes) -> str:
    """The pseudonym of a name, like `a-3f9c2b81d0e4`: 48 bits of HMAC-SHA256 over the normalised name."""
    return PSEUDONYM_PREFIX + _keyed_hash("pseudonym", normalise_name(name), key)[:12]


@lru_cache(maxsize=1 << 14)
def derive_item_handle(item_key: str, key: bytes) -> str:
    """The opaque handle of an item in the browser. The item's own key would reveal which items are controls."""
    return _keyed_hash("item", item_key, key)[:24]


def derive_organiser_pseudonym(key: bytes) -> str:
    """The pseudonym of whoever opened the organiser's link; no name has this pseudonym."""
    return PSEUDONYM_PREFIX + _keyed_hash("organiser", "", key)[:12]


def _serializer(key: bytes) -> URLSafeTimedSerializer:
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeTimedSerializer(check_key(key), salt="maps session", signer_kwargs=options)


def make_session_token(name: str, key: bytes) -> str:
    """A token that says "this is `name`", signed and dated; valid for `SESSION_DAYS`. It is not encrypted."""
    return _serializer(key).dumps(name)


def read_session_token(token: object, key: bytes) -> str | None:
    """The name in a token that this key signed within the last `SESSION_DAYS`; None for anything else.

    Never raises, whatever the browser sends. The signature is checked before the content is decoded.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        return None
    try:
        return str(_serializer(key).loads(token, max_age=SESSION_DAYS * 24 * 60 * 60))
    except BadData:
        return None
