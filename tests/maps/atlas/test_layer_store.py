"""An atlas that is not finished yet can be opened: the layers so far, in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from maps.atlas.layer_store import LayerStore
from maps.atlas.reader import Atlas
from maps.atlas.schema import LAYER_TABLES
from maps.atlas.verification import verify_atlas
from maps.data import predefined_relations
from maps.mapping.mapper import map_model
from maps.mapping.settings import MappingSettings
from tests.small_models import SmallModel, random_weights, save_model_folder

SMALL = SmallModel(layers=3)


def stop_after_two(todo: Sequence[int], _done: int) -> Iterator[int]:
    yield from todo[:2]
    raise KeyboardInterrupt


SETTINGS = MappingSettings(predefined_relations()[:1], salient=5, targets=3, heldout=2)


def test_the_layers_so_far_are_an_atlas(tmp_path: Path) -> None:
    model = save_model_folder(tmp_path / "model", SMALL, random_weights(SMALL))
    store = LayerStore(tmp_path / "atlas")
    assert store.write_unfinished(tmp_path / "none") is None
    with pytest.raises(KeyboardInterrupt):
        map_model(str(model), tmp_path / "atlas", SETTINGS, progress=stop_after_two)
    assert store.finished_layers() == [0, 1]
    unfinished = store.write_unfinished(tmp_path / "unfinished")
    assert unfinished is not None
    verify_atlas(unfinished.folder)
    assert (unfinished.sizes.layers, unfinished.info["unfinished"]) == ((0, 1), 3)
    assert len(unfinished.head_ids) == 8
    whole = map_model(str(model), tmp_path / "atlas", SETTINGS)
    assert "unfinished" not in whole.info
    for name in (*LAYER_TABLES, "pairs"):
        rows = [row for row in whole.table(name).to_pylist() if row.get("layer", 0) < 2]
        assert unfinished.table(name).to_pylist() == rows, name
    assert Atlas.open(whole.folder).sizes.layers == (0, 1, 2)
