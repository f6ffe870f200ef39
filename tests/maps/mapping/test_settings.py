"""The settings of a mapping."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from maps.errors import MapsError
from maps.mapping.reading import Reading
from maps.mapping.settings import MappingSettings, is_mapping_finished, select_layers
from maps.types import Relation
from maps.weights.open import open_checkpoint
from maps.weights.shape import ModelShape
from tests.calibrations import save_random_calibration
from tests.small_models import WORDS

ONE = Relation("one", "", (("a", "b"), ("c", "d")))
CHANGES: dict[str, object] = {
    "relations": (replace(ONE, pairs=(("a", "b"), ("c", "e"))),),
    "salient": 29,
    "heldout": 29,
    "targets": 4,
    "k": 7,
    "tau": 0.2,
    "min_pairs": 29,
    "dtype": "bfloat16",
    "suppressive": True,
    "output_space": True,
    "top_scoring": True,
    "layers": (0, 1),
}


@pytest.mark.parametrize(
    "field", sorted({field.name for field in fields(MappingSettings)} - {"reading", "calibration"})
)
def test_every_setting_distinguishes_atlases(field: str) -> None:
    settings = MappingSettings((ONE,))
    changed = replace(settings, **{field: CHANGES[field]})  # type: ignore[arg-type]
    assert {key for key, value in settings.as_json().items() if changed.as_json()[key] != value} == {field}


def test_readings_and_calibrations_distinguish_atlases(tmp_path: Path, small_model: Path) -> None:
    checkpoint = open_checkpoint(str(small_model))
    one, other = (save_random_calibration(tmp_path / f"{seed}.safetensors", checkpoint, seed) for seed in (0, 1))
    plain, calibrated = MappingSettings((ONE,)).as_json(), Reading("calibrated")
    with_one, with_other = (
        MappingSettings((ONE,), reading=calibrated, calibration=each).as_json() for each in (one, other)
    )
    assert (plain["reading"], plain["calibration"]) == ("mlp", None)
    assert (with_one["reading"], with_one["calibration"]) == ("calibrated", one.hash)
    assert {key for key, value in with_one.items() if with_other[key] != value} == {"calibration"}


def test_a_reading_has_the_calibration_that_it_needs_and_no_other(tmp_path: Path, small_model: Path) -> None:
    calibration = save_random_calibration(tmp_path / "maps.safetensors", open_checkpoint(str(small_model)))
    with pytest.raises(
        MapsError, match=r"^The reading mlp uses no calibration; leave it out, or choose another reading\.$"
    ):
        MappingSettings((ONE,), calibration=calibration)
    with pytest.raises(
        MapsError, match=r"^The reading mlp\+target-map needs a calibration; make one with `python -m maps"
    ):
        MappingSettings((ONE,), reading=Reading.parse("mlp+target-map"))


def test_relations_are_distinguished_by_their_pairs() -> None:
    assert MappingSettings((ONE,)).as_json()["relations"] == {"one": "54a8bc654e429c62"}


def test_layers_are_all_or_the_requested_ones() -> None:
    settings = MappingSettings(())
    shape = ModelShape("llama", 30, 9, 3, 576, 64, 1e-5, "silu")
    assert select_layers(settings, shape) == list(range(30))
    assert select_layers(replace(settings, layers=(3, 5)), shape) == [3, 4, 5]
    assert select_layers(replace(settings, layers=(29, 29)), shape) == [29]
    some = replace(shape, head_layers=(3, 7, 11))
    assert select_layers(settings, some) == [3, 7, 11]
    assert select_layers(replace(settings, layers=(4, 20)), some) == [7, 11]
    message = r"^The layers 4-6 of this model have no heads; its heads are in 3, 7, 11\.$"
    with pytest.raises(MapsError, match=message):
        select_layers(replace(settings, layers=(4, 6)), some)


@pytest.mark.parametrize("layers", [(30, 30), (0, 30), (5, 3)])
def test_layers_outside_the_model_are_refused(layers: tuple[int, int]) -> None:
    message = f"--layers {layers[0]}-{layers[1]} is outside the model's layers 0-29."
    with pytest.raises(MapsError, match=f"^{re.escape(message)}$"):
        select_layers(MappingSettings((), layers=layers), ModelShape("llama", 30, 9, 3, 576, 64, 1e-5, "silu"))


def test_an_atlas_is_finished_only_for_its_own_model_and_settings(mapped_once: Path, small_model: Path) -> None:
    copying = Relation("copying", "algorithmic", tuple((word, word) for word in WORDS))
    settings = MappingSettings((copying,), min_pairs=5)
    assert is_mapping_finished(str(small_model), mapped_once, settings)
    assert not is_mapping_finished(str(small_model), mapped_once / "elsewhere", settings)
    began = f"{mapped_once} holds an atlas made with other settings "
    for model, other, difference in (
        ("smollm2", settings, f'(model was "{small_model}", now "smollm2"); choose another --out.'),
        (str(small_model), replace(settings, k=3), "(k was null, now 3); choose another --out."),
    ):
        with pytest.raises(MapsError, match=f"^{re.escape(began + difference)}$"):
            is_mapping_finished(model, mapped_once, other)
