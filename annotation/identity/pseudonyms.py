"""Names and their pseudonyms.

Everything here is derived from the pseudonym key, which stays on the server: without it nobody can link a pseudonym
to a name.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

from maps.errors import MapsError

PSEUDONYM_PREFIX = "a-"
MAX_NAME_LENGTH = 80


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


def derive_panel_pseudonym(study: str, panel_id: str, key: bytes) -> str:
    """The pseudonym of somebody from a panel in one study; no name has it. A panel may give ids for one study only."""
    return PSEUDONYM_PREFIX + _keyed_hash("panel", f"{study}\n{panel_id}", key)[:12]


def derive_handle_key(pseudonym: str, key: bytes) -> bytes:
    """The key of one person's item handles: nobody can use a handle that another person was given."""
    return bytes.fromhex(_keyed_hash("item handles", pseudonym, key))


def derive_item_handle(item_key: str, number: int, handle_key: bytes) -> str:
    """The opaque handle of an item in a person's browser. The item's own key would reveal which items are controls.

    It holds `number`, masked, so that the item is found without a table of all handles.
    """
    mac = hashlib.blake2b(item_key.encode(), digest_size=12, key=handle_key).digest()  # a third of HMAC's time
    return (mac + (number ^ _handle_mask(mac, handle_key)).to_bytes(4)).hex()


def read_item_handle(handle: str, handle_key: bytes) -> int | None:
    """The number in a text that looks like a handle, else None. Whoever asks must make the handle again and compare."""
    try:
        content = bytes.fromhex(handle)
    except ValueError:
        return None
    if len(content) != 16:
        return None
    return int.from_bytes(content[12:]) ^ _handle_mask(content[:12], handle_key)


def _handle_mask(mac: bytes, handle_key: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(mac, digest_size=4, key=handle_key, person=b"number").digest())


def derive_organiser_pseudonym(key: bytes) -> str:
    """The pseudonym of whoever opened the organiser's link; no name has this pseudonym."""
    return PSEUDONYM_PREFIX + _keyed_hash("organiser", "", key)[:12]
