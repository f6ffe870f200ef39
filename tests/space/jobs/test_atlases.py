"""The atlas of a job is shown while it grows, and replaced by the finished one; it never replaces a finished one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from maps.data import predefined_relations
from maps.mapping.mapper import map_model
from maps.mapping.settings import MappingSettings
from space.jobs.atlases import JobAtlases
from space.pages.explore import page as explore
from space.pages.models.view import models_table
from space.services import Services, open_services
from tests.small_models import SmallModel, random_weights, save_model_folder

SMALL = SmallModel(layers=4)
SETTINGS = MappingSettings(predefined_relations()[:2])
pytestmark = pytest.mark.slow


def layers_until(count: int) -> object:
    def progress(todo: Sequence[int], _done: int) -> Iterator[int]:
        yield from todo[:count]
        raise KeyboardInterrupt

    return progress


def map_layers(model: Path, out: Path, count: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        map_model(str(model), out, SETTINGS, progress=layers_until(count))  # type: ignore[arg-type]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Services]:
    built = open_services({"MAPS_DATA": str(tmp_path / "data")})
    yield built
    built.journal.close()
    built.jobs.store.close()


def test_a_model_is_shown_layer_by_layer(served: Services, tmp_path: Path) -> None:
    model = save_model_folder(tmp_path / "small", SMALL, random_weights(SMALL))
    out = tmp_path / "data" / "atlases" / "small"
    growing = JobAtlases(served.whole_atlases, tmp_path / "previews")  # type: ignore[arg-type]
    growing.update(out)
    assert "small" not in served.atlases
    map_layers(model, out, 1)
    growing.update(out)
    assert served.atlas("small").sizes.layers == (0,)
    map_layers(model, out, 2)
    growing.update(out)
    assert served.atlas("small").sizes.layers == (0, 1, 2)
    assert "being mapped: 3 of 4 layers so far" in models_table(served)
    assert "12 heads" in explore.build_content(served, {"model": "small"}).summary
    map_model(str(model), out, SETTINGS)
    growing.update(out)
    assert served.atlas("small").folder == out
    assert served.atlas("small").sizes.layers == (0, 1, 2, 3)
    assert "being mapped" not in models_table(served)


def test_an_unfinished_atlas_replaces_no_finished_one(served: Services, tmp_path: Path) -> None:
    model = save_model_folder(tmp_path / "small", SMALL, random_weights(SMALL))
    growing = JobAtlases(served.whole_atlases, tmp_path / "previews")  # type: ignore[arg-type]
    map_model(str(model), tmp_path / "first", SETTINGS)
    growing.update(tmp_path / "first")
    map_layers(model, tmp_path / "second", 2)
    growing.update(tmp_path / "second")
    assert served.atlas("small").folder == tmp_path / "first"
