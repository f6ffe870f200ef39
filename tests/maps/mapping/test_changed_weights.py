"""Weights that are saved over in place, with the same sizes: no door takes old mappings for the new model's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import maps
from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.experiments.random_baseline import evaluate_random_baseline
from maps.experiments.results import ExperimentRun
from maps.mapping.mapper import map_model
from maps.mapping.settings import MappingSettings
from maps.scoring.measures import open_atlas_model
from tests.maps.conftest import COPYING

SETTINGS = MappingSettings((COPYING,), min_pairs=5)


class StoppedError(Exception):
    pass


def stop_after_first(layers: Sequence[int], _done: int) -> Iterator[int]:
    yield layers[0]
    raise StoppedError


def train_on(folder: Path) -> None:
    """Changes one number of one layer, and nothing that the file system shows."""
    file = folder / "model.safetensors"
    before, weights = file.stat(), load_file(file)
    weights["model.layers.1.self_attn.o_proj.weight"][3, 5] += 0.5
    save_file(weights, file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size


@pytest.fixture
def model(tmp_path: Path, small_model: Path) -> Path:
    return Path(shutil.copytree(small_model, tmp_path / "small"))


@pytest.fixture
def atlas(tmp_path: Path, model: Path) -> Atlas:
    return map_model(str(model), tmp_path / "atlas", SETTINGS)


def test_map_refuses_the_finished_atlas_of_other_weights(model: Path, atlas: Atlas) -> None:
    assert map_model(str(model), atlas.folder, SETTINGS).info == atlas.info
    train_on(model)
    with pytest.raises(MapsError, match="with other weights"):
        maps.map(model, out=atlas.folder, relations=[COPYING], min_pairs=5)
    with pytest.raises(MapsError, match=r"^\S+ holds an atlas of \S+ with other weights \(revision \w+, now \w+\)"):
        map_model(str(model), atlas.folder, SETTINGS)
    assert Atlas.open(atlas.folder).info == atlas.info


def test_a_mapping_that_was_stopped_does_not_go_on_with_other_weights(model: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        map_model(str(model), tmp_path / "atlas", SETTINGS, progress=stop_after_first)
    train_on(model)
    with pytest.raises(MapsError, match=r"holds an unfinished mapping .* other settings .the model's weights have"):
        map_model(str(model), tmp_path / "atlas", SETTINGS)
    assert not (tmp_path / "atlas" / "atlas.json").exists()


def test_weights_that_change_during_the_mapping_give_no_atlas(model: Path, tmp_path: Path) -> None:
    def train_between(layers: Sequence[int], _done: int) -> Iterator[int]:
        for layer in layers:
            yield layer
            if layer == 0:
                train_on(model)

    with pytest.raises(MapsError, match=r"^The weights of small changed while they were mapped; delete \S+ and map it"):
        map_model(str(model), tmp_path / "atlas", SETTINGS, progress=train_between)
    assert not (tmp_path / "atlas" / "atlas.json").exists()


def test_score_opens_no_other_model_than_the_atlas_has(model: Path, atlas: Atlas) -> None:
    moved = model.rename(model.with_name("moved"))
    open_atlas_model(atlas, str(moved))
    train_on(moved)
    with pytest.raises(MapsError, match="is not the model of this atlas: its revision is"):
        open_atlas_model(atlas, str(moved))


def test_experiments_refuse_the_atlas_and_the_run_of_other_weights(model: Path, atlas: Atlas, tmp_path: Path) -> None:
    evaluate_random_baseline(ExperimentRun(str(model), atlas.folder, SETTINGS))
    evaluate_random_baseline(ExperimentRun(str(model), tmp_path / "run", SETTINGS))
    train_on(model)
    with pytest.raises(MapsError, match="holds an atlas of another model, small; choose another --out"):
        evaluate_random_baseline(ExperimentRun(str(model), atlas.folder, SETTINGS))
    with pytest.raises(MapsError, match=r"holds a run with other settings \(the model's weights have changed\)"):
        evaluate_random_baseline(ExperimentRun(str(model), tmp_path / "run", SETTINGS))


def test_a_name_is_the_atlass_and_stays(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["map", str(model), "--out", str(tmp_path / "named"), "--layers", "0-0"]
    assert main([*command, "--name", "Tiny Llama, step 500"]) == 0
    assert Atlas.open(tmp_path / "named").model == "Tiny Llama, step 500"
    assert "of Tiny Llama, step 500: the atlas is in" in capsys.readouterr().out
    assert main(command) == 0
    assert "was already finished" in capsys.readouterr().out
    assert main([*command, "--name", "another"]) == 2
    assert "holds this mapping under the name Tiny Llama, step 500; choose another --out" in capsys.readouterr().err
