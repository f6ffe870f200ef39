"""Which study an annotator works on, which of its items are stale, and why nobody can judge at the moment."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from annotation.study.candidates import present
from annotation.study.store import kept, newest_open
from annotation.study.study import DEFAULT, Study, stale
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.types import HeadId
from space.services import Services


def studies(services: Services) -> dict[str, Study]:
    """All studies by name: those that were created, and the open one of all described heads."""
    return kept(services.data / "studies") | {DEFAULT: services.study}


def chosen(services: Services, asked: str | None, before: object = None) -> Study:
    """The study that an address asks for; else the created one that the browser is at, while it is open; else the
    newest open one; else the study of all described heads.

    Raises MapsError where there is none of the name asked for.
    """
    known = studies(services)
    if asked is not None:
        if asked not in known:
            raise MapsError(f"There is no study {asked!r} here; ask whoever sent you the link for the right one.")
        return known[asked]
    now = services.journal.now()
    created = {name: study for name, study in known.items() if name != DEFAULT}
    if isinstance(before, str) and before in created and not created[before].over(now):
        return created[before]
    return newest_open(created, now) or services.study


def stale_keys(services: Services, study: Study) -> set[str]:
    """The keys of a created study's items whose mappings or description have changed since; of no atlas, none."""
    settings = study.settings
    atlas = services.atlases.get(settings.model)
    if study.name == DEFAULT or atlas is None:
        return set()
    files = [atlas.folder / f"{name}.parquet" for name in ("mappings", "descriptions")]
    changed = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files)
    return stale(study, _present(atlas.folder, changed, settings.describer))


@lru_cache(maxsize=8)
def _present(folder: Path, _changed: tuple[int, ...], describer: str) -> dict[HeadId, tuple[str, str]]:
    return present(Atlas.open(folder), describer)


def closed(services: Services, study: Study) -> str | None:
    """Why nobody can judge in this study at the moment, in words; None where they can."""
    if services.on_space and not services.login:
        return "Judging is closed: this Space has no login. Whoever runs it adds `hf_oauth: true` to its README."
    if (reason := unread(services)) is not None:
        return reason
    if study.over(services.journal.now()):
        return f"The study {study.name} is over: its deadline has passed. Thank you to all who took part."
    return None


def unread(services: Services) -> str | None:
    """Why nothing of anybody may be stored yet, in words: the disk is empty and the ledger has not been read."""
    return services.ledger.closed() if services.ledger is not None else None
