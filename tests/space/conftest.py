"""Services over the prebuilt atlas and a journal of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotation.form import GUIDELINES_VERSION
from annotation.study.candidates import candidates, mapping_hash
from annotation.study.sampling import freeze
from annotation.study.store import keep
from annotation.study.study import Study
from space.services import Services, services
from space.web.sessions import Annotator
from tests.annotation import invented_study


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Services]:
    """What the app would build from an empty data folder."""
    built = services({"MAPS_DATA": str(tmp_path), "MAPS_PSEUDONYM_KEY": "for tests"})
    yield built
    built.journal.close()


@pytest.fixture
def ada(served: Services) -> Annotator:
    """Someone who agreed."""
    return consenting(served, "Ada", "a-ada")


@pytest.fixture
def grace(served: Services) -> Annotator:
    """Someone else who agreed."""
    return consenting(served, "Grace", "a-grace")


def consenting(served: Services, name: str, pseudonym: str) -> Annotator:
    """Notes the consent."""
    served.journal.consent(pseudonym, name, GUIDELINES_VERSION)
    return Annotator(name, pseudonym)


PLAIN = replace(
    invented_study.PLAIN,
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


def created(served: Services, **changes: object) -> Study:
    """A study of seven items (one overlap, two controls), two judgments each, kept where the app finds it."""
    settings = replace(PLAIN, **changes)  # type: ignore[arg-type]
    study = freeze(settings, candidates(served.atlas(settings.model), settings.describer), mapping_hash)
    keep(study, served.data / "studies")
    return study
