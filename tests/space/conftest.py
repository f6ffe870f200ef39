"""Services over the prebuilt atlas and a journal of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation.form import GUIDELINES_VERSION
from space.services import Services, services
from space.sessions import Annotator


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
