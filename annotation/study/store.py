"""The files of studies: each is written once, never overwritten, and checked when it is read."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from annotation.study.file import study_from_json, study_to_json
from annotation.study.study import DEFAULT_STUDY, Study
from maps.errors import MapsError
from maps.files.atomic import atomic_writer

STUDY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def check_study_name(name: str) -> str:
    """The name, if a study may have it; raises MapsError otherwise."""
    if not name:
        raise MapsError("Give the study a name, of at most 40 lower-case letters, digits and hyphens.")
    if not STUDY_NAME.fullmatch(name):
        raise MapsError(f"{name!r} is not a valid study name; use at most 40 lower-case letters, digits and hyphens.")
    if name == DEFAULT_STUDY:
        raise MapsError(f"{DEFAULT_STUDY!r} is the name of the built-in study; choose another name.")
    return name


def save_study(study: Study, folder: Path) -> Path:
    """Writes a study's file, whole or not at all; raises MapsError if there is a study of that name."""
    path = folder / f"{check_study_name(study.name)}.json"
    try:
        with atomic_writer(path, exclusive=True) as file:
            file.write(study_to_json(study).encode())
    except OSError as error:
        if path.exists():
            raise MapsError(f"There is already a study {study.name!r}; choose another name.") from error
        raise MapsError(f"The study cannot be written to {folder}: {error.strerror or error}.") from error
    return path


def delete_study_file(study: Study, folder: Path) -> None:
    """Deletes a study's file; whether that is allowed, the journal knows. A missing file is no error."""
    path = folder / f"{check_study_name(study.name)}.json"
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise MapsError(f"{path} cannot be deleted: {error.strerror or error}.") from error


def load_studies(folder: Path) -> dict[str, Study]:
    """All studies in a folder, by name. A file is read again only if it changed. Raises MapsError for a damaged one."""
    try:
        files = [(path, path.stat()) for path in sorted(folder.glob("*.json"))]
    except OSError as error:
        raise MapsError(f"The studies in {folder} cannot be read: {error.strerror or error}.") from error
    return {path.stem: _read_study(path, stat.st_mtime_ns, stat.st_size) for path, stat in files}


@lru_cache(maxsize=64)
def _read_study(path: Path, _changed: int, _size: int) -> Study:
    try:
        study = study_from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MapsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (MapsError, UnicodeDecodeError) as error:
        raise MapsError(f"{path}: {error}") from error
    if study.name != path.stem:
        raise MapsError(f"{path} contains the study {study.name!r}; rename the file to {study.name}.json.")
    return study
