"""The files of studies: each written once, never overwritten, and checked when it is read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile

from annotation.study.file import study_from_json, study_to_json
from annotation.study.study import DEFAULT_STUDY, Study
from maps.errors import MapsError

STUDY_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def check_study_name(name: str) -> str:
    """A name that a study may have; MapsError for any other."""
    if not STUDY_NAME.fullmatch(name):
        raise MapsError(f"{name!r} is no name for a study: small letters, digits and hyphens, 40 at most.")
    if name == DEFAULT_STUDY:
        raise MapsError(f"{DEFAULT_STUDY!r} is the study that is there without creating one; choose another name.")
    return name


def save_study(study: Study, folder: Path) -> Path:
    """Writes a study's file, whole or not at all; raises MapsError where there is one of that name already."""
    path = folder / f"{check_study_name(study.name)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder, prefix=f".{path.name}.") as file:
            file.write(study_to_json(study).encode())
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            path.hardlink_to(file.name)  # fails where the name is taken, unlike a renaming
    except OSError as error:
        if path.exists():
            raise MapsError(f"There is a study {study.name!r} already, frozen; choose another name.") from error
        raise MapsError(f"The study cannot be written to {folder}: {error.strerror or error}.") from error
    return path


def load_studies(folder: Path) -> dict[str, Study]:
    """All studies in a folder by name; a file is read again only where it has changed. MapsError for a damaged one."""
    try:
        files = [(path, path.stat()) for path in sorted(folder.glob("*.json"))]
    except OSError as error:
        raise MapsError(f"The studies in {folder} cannot be read: {error.strerror or error}.") from error
    return {path.stem: _read_study(path, about.st_mtime_ns, about.st_size) for path, about in files}


def newest_open_study(studies: Mapping[str, Study], now: datetime) -> Study | None:
    """The study created last of those whose deadline has not passed."""
    going_on = [study for study in studies.values() if not study.is_over(now)]
    return max(going_on, key=lambda study: (study.settings.created_at, study.name), default=None)


@lru_cache(maxsize=64)
def _read_study(path: Path, _changed: int, _size: int) -> Study:
    try:
        study = study_from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MapsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (MapsError, UnicodeDecodeError) as error:
        raise MapsError(f"{path}: {error}") from error
    if study.name != path.stem:
        raise MapsError(f"{path} holds the study {study.name!r}; name the file {study.name}.json.")
    return study
