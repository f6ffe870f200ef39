"""Which study an annotator works on, which of its items are stale, and why nobody can judge at the moment."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from annotation.study.candidates import current_versions
from annotation.study.store import load_studies, newest_open_study
from annotation.study.study import DEFAULT_STUDY, Study, stale_item_keys
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.services import Services


def all_studies(services: Services) -> dict[str, Study]:
    """All studies by name: those that were created, and the open one of all described heads."""
    return load_studies(services.data_folder / "studies") | {DEFAULT_STUDY: services.default_study}


def select_study(services: Services, requested_name: str | None, previous_name: object = None) -> Study:
    """The study that an address asks for; else the created one that the browser is at, while it is open; else the
    newest open one; else the study of all described heads.

    Raises MapsError where there is none of the name asked for.
    """
    known = all_studies(services)
    if requested_name is not None:
        if requested_name not in known:
            raise MapsError(
                f"There is no study {requested_name!r} here; ask whoever sent you the link for the right one."
            )
        return known[requested_name]
    now = services.journal.now()
    created = {name: study for name, study in known.items() if name != DEFAULT_STUDY}
    if isinstance(previous_name, str) and previous_name in created and not created[previous_name].is_over(now):
        return created[previous_name]
    return newest_open_study(created, now) or services.default_study


def find_stale_item_keys(services: Services, study: Study) -> set[str]:
    """The keys of a created study's items whose mappings or description have changed since; of no atlas, none."""
    settings = study.settings
    atlas = services.atlases.get(settings.model)
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
    """Why nobody can judge in this study at the moment, in words; None where they can."""
    if services.is_on_space and not services.has_login:
        return "Judging is closed: this Space has no login. Whoever runs it adds `hf_oauth: true` to its README."
    if (reason := storage_closed_reason(services)) is not None:
        return reason
    if study.is_over(services.journal.now()):
        return f"The study {study.name} is over: its deadline has passed. Thank you to all who took part."
    return None


def storage_closed_reason(services: Services) -> str | None:
    """Why nothing of anybody may be stored yet, in words: the disk is empty and the ledger has not been read."""
    return services.ledger.closed_reason() if services.ledger is not None else None
