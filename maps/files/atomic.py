"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from maps.errors import MapsError


def write_file(path: Path, content: bytes) -> None:
    """Writes a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_json(path: Path, remedy: str = "delete the folder and map the model again") -> dict[str, Any] | None:
    """A JSON object, or None where there is no such file; MapsError with the remedy where it is damaged."""
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise MapsError(f"{path} is damaged ({error}); {remedy}.") from error
    if not isinstance(data, dict):
        raise MapsError(f"{path} is no JSON object; {remedy}.")
    return data


def write_json(path: Path, data: Dictionary[str, Any]) -> None:
    """Writes a JSON object for people to read."""
    write_file(path, json_bytes(data))


def json_bytes(data: Dictionary[str, Any]) -> bytes:
    """A JSON object as it is written."""
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its place once it is whole and on disk, or disappears on failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
