"""Services over the prebuilt atlas and a journal of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotation.form import GUIDELINES_VERSION
from annotation.study.candidates import load_candidates
from annotation.study.sampling import freeze_study
from annotation.study.store import save_study
from annotation.study.study import Study
from maps.hashes import mapping_hash
from space.services import Services, open_services
from space.web.sessions import Annotator
from tests.annotation import invented_study


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Services]:
    """What the app would build from an empty data folder."""
    built = open_services({"MAPS_DATA": str(tmp_path), "MAPS_PSEUDONYM_KEY": "for tests, as long as keys must be"})
    yield built
    built.journal.close()


@pytest.fixture
def ada(served: Services) -> Annotator:
    """Someone who agreed."""
    return record_consent(served, "Ada", "a-ada")


@pytest.fixture
def grace(served: Services) -> Annotator:
    """Someone else who agreed."""
    return record_consent(served, "Grace", "a-grace")


def record_consent(served: Services, name: str, pseudonym: str) -> Annotator:
    served.journal.record_consent(pseudonym, GUIDELINES_VERSION)
    return Annotator(name, pseudonym)


BASE_SETTINGS = replace(
    invented_study.BASE_SETTINGS,
    model="SmolLM2-135M-Instruct",
    layers=30,
    heads=5,
    overlap=1,
    swapped=1,
    shuffled=1,
    practice=False,
    guidelines_version=GUIDELINES_VERSION,
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
)


def create_test_study(served: Services, **changes: object) -> Study:
    """A study of seven items (one overlap, two controls), two judgments each, kept where the app finds it."""
    settings = replace(BASE_SETTINGS, **changes)  # type: ignore[arg-type]
    atlas = served.whole_atlas(settings.model)
    mappings = atlas.mappings_by_head()  # all at once: faster than head by head
    candidates = [
        replace(one, mappings=tuple(mappings[one.head])) for one in load_candidates(atlas, settings.describer)
    ]
    study = freeze_study(settings, candidates, mapping_hash)
    save_study(study, served.data_folder / "studies")
    return study
