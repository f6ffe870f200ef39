"""Files that are written whole or not at all, and JSON files."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from maps.errors import MapsError

MAX_JSON_BYTES = 256_000_000


@contextmanager
def atomic_writer(path: Path, mode: int = 0o666, exclusive: bool = False) -> Iterator[IO[bytes]]:
    """Yields a temporary file that becomes `path` when the block ends; if the block fails, `path` is untouched.

    `mode`: the permissions, less the umask. `exclusive`: raise FileExistsError where `path` exists instead of
    replacing it. The content is on disk (fsync) before the name is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            path.hardlink_to(temporary)  # unlike a rename, this fails where the name is taken
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Writes a file whole or not at all."""
    with atomic_writer(path, mode) as file:
        file.write(content)


def read_json(
    path: Path, remedy: str = "delete the folder and map the model again", max_bytes: int = MAX_JSON_BYTES
) -> dict[str, Any] | None:
    """A JSON object, or None where there is no such file; raises MapsError with the remedy where it is damaged.

    A file of more than `max_bytes` is not read: MapsError too.
    """
    if not path.exists():
        return None
    if path.stat().st_size > max_bytes:
        raise MapsError(f"{path} is damaged (it has more than {max_bytes:,} bytes); {remedy}.")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise MapsError(f"{path} is damaged ({error}); {remedy}.") from error
    if not isinstance(data, dict):
        raise MapsError(f"{path} does not contain a JSON object; {remedy}.")
    return data


def write_json(path: Path, data: Dictionary[str, Any]) -> None:
    """Writes a JSON object, whole or not at all."""
    write_file(path, json_bytes(data))


def json_bytes(data: Dictionary[str, Any]) -> bytes:
    """A JSON object, indented for people to read."""
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
