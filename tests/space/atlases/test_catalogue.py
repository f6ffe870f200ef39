"""Atlases of one model in several readings: their names, their order, and which replaces which."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from maps.atlas.reader import Atlas
from maps.atlas.readings import CALIBRATED_READING
from space.atlases.catalogue import open_atlases
from space.atlases.names import PREBUILT_FOLDER, name_atlas, sort_by_reading

MODEL = "SmolLM2-135M-Instruct"
NORMS = "mlp+input-norm+final-norm"


def invented(model: str, reading: str = "mlp", weights: str = "w1") -> Atlas:
    """An atlas without a folder."""
    return Atlas(Path(), {"model": model, "weights": weights, "revision": "r", "settings": {"reading": reading}})


def named(*atlases: Atlas) -> list[str]:
    """The names of atlases in the order in which they are shown."""
    models: dict[str, Atlas] = {}
    shown = {atlas.model: atlas for atlas in [name_atlas(each, models) for each in atlases]}
    return list(sort_by_reading(shown, list(models)))


def test_a_calibrated_reading_of_a_model_comes_first_then_the_papers_and_models_keep_their_order() -> None:
    atlases = invented("b"), invented("a"), invented("b", NORMS), invented("a", CALIBRATED_READING), invented("b", "x")
    assert named(*atlases) == ["b", f"b ({NORMS})", "b (x)", "a (calibrated)", "a"]
    assert named(*reversed(atlases)) == ["b", "b (x)", f"b ({NORMS})", "a (calibrated)", "a"]


def test_a_name_depends_on_no_other_reading_of_the_model() -> None:
    for reading, name in (("mlp", "a"), (NORMS, f"a ({NORMS})"), (CALIBRATED_READING, "a (calibrated)")):
        assert named(invented("a", reading)) == [name]
        assert name in named(invented("a"), invented("a", "residual"), invented("a", reading))


def test_other_weights_are_told_apart_in_every_reading() -> None:
    second = "0123456789abcdef"
    atlases = invented("a"), invented("a", CALIBRATED_READING, second), invented("a", "mlp", second)
    assert named(*atlases) == ["a", "a (0123456789ab) (calibrated)", "a (0123456789ab)"]


def test_a_study_finds_the_atlas_by_the_name_that_the_app_gives_it() -> None:
    atlas = invented("a", CALIBRATED_READING)
    assert atlas.named_by_reading().model == name_atlas(atlas, {}).model == "a (calibrated)"


@pytest.mark.process
def test_an_own_atlas_replaces_the_prebuilt_one_only_in_its_own_reading(tmp_path: Path) -> None:
    folders = {}
    for name, reading in (("paper", "mlp"), ("calibrated", CALIBRATED_READING), ("norms", NORMS)):
        folders[name] = Path(shutil.copytree(PREBUILT_FOLDER / "smollm2", tmp_path / "atlases" / name))
        info = json.loads((folders[name] / "atlas.json").read_text(encoding="utf-8"))
        info["settings"]["reading"] = reading
        (folders[name] / "atlas.json").write_text(json.dumps(info), encoding="utf-8")
    shown = open_atlases("", tmp_path).atlases
    assert [(name, atlas.folder) for name, atlas in shown.items()] == [
        (f"{MODEL} (calibrated)", folders["calibrated"]),
        (MODEL, folders["paper"]),
        (f"{MODEL} ({NORMS})", folders["norms"]),
    ]
    listed = open_atlases(f"{folders['norms']},{folders['calibrated']}", tmp_path).atlases
    assert list(listed) == [f"{MODEL} ({NORMS})", f"{MODEL} (calibrated)"]
