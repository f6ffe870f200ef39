"""The pseudonym key: from a setting, or made once and kept in the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from maps.errors import MapsError
from maps.files.atomic import atomic_writer

KEY_FILE_NAME = "pseudonym.key"
MIN_KEY_LENGTH = 32  # characters: with a shorter key, pseudonyms could be turned back into names by trying keys
OWNER_ONLY_MODE = 0o600


def load_or_create_pseudonym_key(configured_key: str, data_folder: Path) -> bytes:
    """The configured key, else that of the data folder, which is made at the first call and on disk before it is used.

    Of several processes that make it at once, one wins and all use its key. Raises MapsError for a short key, and if
    the file cannot be read or written.
    """
    if configured_key:
        return check_length(configured_key.encode(), "MAPS_PSEUDONYM_KEY")
    path = data_folder / KEY_FILE_NAME
    try:
        if not path.exists():
            create_key_file(path)
    except OSError as error:
        raise MapsError(
            f"The data folder {data_folder} is not writable ({error.strerror}); set MAPS_DATA to another folder."
        ) from error
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise MapsError(f"{path} cannot be read: {error.strerror}.") from error
    if not key:
        raise MapsError(
            f"{path} is empty; restore the key of this journal, or delete the file to start with a new key."
        )
    return check_length(key, str(path))


def check_length(key: bytes, source: str) -> bytes:
    if len(key) < MIN_KEY_LENGTH:
        raise MapsError(
            f"The key in {source} has {len(key)} characters, too few to keep names secret; use at least "
            f"{MIN_KEY_LENGTH} random ones, such as `openssl rand -hex 32` prints."
        )
    return key


def create_key_file(path: Path) -> None:
    """Writes a random key to disk under its name, unless there is a file of this name by then."""
    try:
        with atomic_writer(path, OWNER_ONLY_MODE, exclusive=True) as file:
            file.write(secrets.token_hex(32).encode())
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name too must be on disk before anybody has a pseudonym by this key
    finally:
        os.close(folder)
