"""Finds the study that an annotator works on, its stale items, and the reason if judging is closed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from annotation.study.candidates import current_versions
from annotation.study.store import load_studies, newest_open_study
from annotation.study.study import DEFAULT_STUDY, Study, stale_item_keys
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.services import LedgerView, Services


def all_studies(services: Services) -> dict[str, Study]:
    """All studies by name: the created ones, and the default study of all described heads."""
    return load_studies(services.data_folder / "studies") | {DEFAULT_STUDY: services.default_study}


def select_study(services: Services, requested_name: str | None, previous_name: object = None) -> Study:
    """The study named in an address; else the browser's previous one, if it was created and is open; else the newest
    open one; else the default study.

    Raises MapsError if the address names an unknown study.
    """
    studies = all_studies(services)
    if requested_name is not None:
        if requested_name not in studies:
            raise MapsError(f"There is no study {requested_name!r} here; ask the person who sent you the link.")
        return studies[requested_name]
    now = services.journal.now()
    created = {name: study for name, study in studies.items() if name != DEFAULT_STUDY}
    if isinstance(previous_name, str) and previous_name in created and not created[previous_name].is_over(now):
        return created[previous_name]
    return newest_open_study(created, now) or services.default_study


def find_stale_item_keys(atlases: Mapping[str, Atlas], study: Study) -> set[str]:
    """The keys of a created study's items whose mappings or description changed; none without the model's atlas."""
    settings = study.settings
    atlas = atlases.get(settings.model)
    if study.name == DEFAULT_STUDY or atlas is None:
        return set()
    files = [atlas.folder / f"{name}.parquet" for name in ("mappings", "descriptions")]
    changed = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files)
    return stale_item_keys(study, _current_descriptions(atlas.folder, changed, settings.describer))


@lru_cache(maxsize=8)
def _current_descriptions(
    folder: Path, _modification_times: tuple[int, ...], describer: str
) -> dict[HeadId, tuple[str, str]]:
    return current_versions(Atlas.open(folder), describer)


def judging_closed_reason(services: Services, study: Study) -> str | None:
    """Why nobody can judge in this study at the moment, in one sentence; None if people can."""
    if services.is_on_space and not services.has_login:
        return "Judging is closed: this Space has no login. Please tell the person who runs it."
    if (reason := storage_closed_reason(services.ledger)) is not None:
        return reason
    if study.is_over(services.journal.now()):
        return f"The study {study.name} is over: its deadline has passed. Thank you to everybody who took part!"
    return None


def storage_closed_reason(ledger: LedgerView | None) -> str | None:
    """Why nothing may be stored yet, in one sentence: the ledger has not been read. None if it may."""
    return ledger.closed_reason() if ledger is not None else None
