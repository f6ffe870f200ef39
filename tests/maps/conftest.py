"""An atlas of a small model, mapped once for all tests; tests that change one copy it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from maps.mapping.mapper import map_model
from maps.mapping.settings import MappingSettings
from maps.types import Relation
from tests.small_models import WORDS, SmallModel, random_weights, save_model_folder

COPYING = Relation("copying", "algorithmic", tuple((word, word) for word in WORDS))


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = SmallModel()
    return save_model_folder(tmp_path_factory.mktemp("models") / "small", small, random_weights(small))


@pytest.fixture(scope="session")
def mapped_once(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Path:
    """Its atlas."""
    out = tmp_path_factory.mktemp("atlases") / "small"
    map_model(str(small_model), out, MappingSettings((COPYING,), min_pairs=5))
    return out


@pytest.fixture
def atlas_folder(tmp_path: Path, mapped_once: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(mapped_once, tmp_path / "atlas"))
