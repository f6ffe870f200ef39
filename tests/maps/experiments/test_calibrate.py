"""Calibrations: what is fitted and what is held back, that a stopped run goes on, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import maps
from maps.atlas.reader import CALIBRATION_FILE
from maps.errors import MapsError
from maps.experiments import calibrate as fitting
from maps.experiments.calibration_streams import split_tokens
from maps.experiments.hooked_model import HookedModel
from maps.experiments.streams import (
    CALIBRATION_PROMPTS,
    EVALUATION_PROMPTS,
    evaluation_count,
    prompt_ids,
    read_streams,
    token_order,
)
from maps.heads.norm import scale_to_root_width
from maps.mapping.calibration import Calibration
from maps.mapping.model import Model
from maps.mapping.reading import Reading
from tests.hooked_models import open_family

pytestmark = pytest.mark.transformers
TOKENS = 240


@pytest.fixture(scope="module")
def hooked_model(tmp_path_factory: pytest.TempPathFactory) -> HookedModel:
    return open_family("llama", tmp_path_factory.mktemp("calibrated") / "llama")


@pytest.fixture(scope="module")
def calibration(hooked_model: HookedModel, tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    return fitting.calibrate(hooked_model.model, tmp_path_factory.mktemp("maps") / "llama.safetensors", TOKENS)


def test_no_token_and_no_prompt_of_the_evaluation_is_fitted(hooked_model: HookedModel) -> None:
    order = token_order(hooked_model.model.vocabulary.size)
    kept = set(order[: evaluation_count(len(order))].tolist())
    fitted = torch.cat([batch.tokens for batch in split_tokens(hooked_model.model, 10_000)])
    assert len(fitted.unique()) == len(fitted)
    assert not kept & set(fitted.tolist())
    assert not hooked_model.model.vocabulary.added_ids & set(fitted.tolist())
    assert len(fitted) == len(order) - len(kept | hooked_model.model.vocabulary.added_ids)
    assert not set(CALIBRATION_PROMPTS) & set(EVALUATION_PROMPTS)


def test_the_file_holds_a_map_for_every_layer_and_what_it_was_fitted_on(
    calibration: Calibration, hooked_model: HookedModel
) -> None:
    model, info = hooked_model.model, calibration.info
    assert (info["model"], info["tokens"], info["layers"]) == ("llama", TOKENS, 3)
    assert model.checkpoint.is_model_of(info)
    assert sorted(info["fits"]) == ["source.1", "source.2", "target.0", "target.1"]
    assert all(0 < fit["unexplained"] < 1 for name, fit in info["fits"].items() if name.startswith("source"))
    assert not list(calibration.path.parent.glob("*.parts"))
    assert torch.equal(calibration.source_map(2, 32).weight, load_file(calibration.path)["source.2.weight"])
    assert torch.equal(
        calibration.target_map(1, 32), load_file(calibration.path)["target.1"].double() + torch.eye(32).double()
    )


def test_a_calibrated_row_says_what_is_specific_to_new_tokens(
    calibration: Calibration, hooked_model: HookedModel
) -> None:
    """On tokens that were not fitted; the mean stream and another token are the controls."""
    model = Model.open(hooked_model.model.requested_name, reading=Reading("calibrated"), calibration=calibration)
    order = token_order(model.vocabulary.size)
    tokens = order[: evaluation_count(len(order))]
    [prefix] = prompt_ids(hooked_model, CALIBRATION_PROMPTS[:1])
    streams = scale_to_root_width(read_streams(hooked_model, prefix, tokens).layers[1]).double()
    rows = model.source_rows(1).exact_rows(tokens)
    streams, rows = streams - streams.mean(0), rows - rows.mean(0)
    left = float((streams - rows).square().sum() / streams.square().sum())
    assert left < 0.97  # the mean stream leaves 1; the network is random, so a linear map finds little
    assert float((streams - rows.roll(1, 0)).square().sum() / streams.square().sum()) > 1


@pytest.mark.parametrize("features", fitting.FEATURE_SETS, ids="-".join)
def test_each_set_of_features_gives_the_rows_that_were_fitted(
    features: tuple[str, ...], hooked_model: HookedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that a reading makes from the file are those of the regression, whatever the features."""
    monkeypatch.setattr(fitting, "FEATURE_SETS", (features,))
    calibration = fitting.calibrate(hooked_model.model, tmp_path / "llama.safetensors", TOKENS)
    assert calibration.features == features
    assert calibration.blocks == (2 if features == ("blocks",) else 0)
    model = Model.open(hooked_model.model.requested_name, reading=Reading("calibrated"), calibration=calibration)
    tokens = torch.cat([batch.tokens for batch in split_tokens(model, TOKENS)])
    rows = model.source_rows(2).exact_rows(tokens)
    other = model.source_rows(2).rows(tokens)
    torch.testing.assert_close(other.double(), rows, rtol=1e-4, atol=1e-4)
    left = calibration.info["fits"]["source.2"]["unexplained"]
    [prefix] = prompt_ids(hooked_model, CALIBRATION_PROMPTS[:1])
    streams = scale_to_root_width(read_streams(hooked_model, prefix, tokens).layers[2]).double()
    centred = [x - x.mean(0) for x in (streams, rows)]
    assert float((centred[0] - centred[1]).square().sum() / centred[0].square().sum()) < max(left, 0.97)


class Stopped(Exception):
    pass


@pytest.mark.parametrize("stop_after", [3, 25])
def test_a_stopped_run_goes_on_where_it_stopped(
    stop_after: int, calibration: Calibration, hooked_model: HookedModel, tmp_path: Path
) -> None:
    """After some passes of the model, and after some layers; the result has the same bytes."""
    left, seen = stop_after, []

    def stop(todo: Sequence[Any], _done: int) -> Iterable[Any]:
        nonlocal left
        for part in todo:
            if left == 0:
                raise Stopped
            left -= 1
            yield part

    def watch(todo: Sequence[Any], done: int) -> Iterable[Any]:
        seen.append(done)
        return todo

    out = tmp_path / "maps.safetensors"
    with pytest.raises(Stopped):
        fitting.calibrate(hooked_model.model, out, TOKENS, stop)
    assert not out.exists()
    again = fitting.calibrate(hooked_model.model, out, TOKENS, watch)
    assert out.read_bytes() == calibration.path.read_bytes()
    assert seen == ([3, 0] if stop_after == 3 else [1])
    assert again.hash == calibration.hash
    assert fitting.calibrate(hooked_model.model, out, TOKENS, stop).hash == again.hash  # finished: no part is left


def test_another_calibration_is_not_overwritten(
    calibration: Calibration, hooked_model: HookedModel, tmp_path: Path
) -> None:
    with pytest.raises(MapsError, match=r"holds another calibration, of llama; choose another --out\.$"):
        fitting.calibrate(hooked_model.model, calibration.path, TOKENS + 1)
    before = calibration.path.read_bytes()
    other = open_family("qwen2", tmp_path / "qwen2")
    with pytest.raises(MapsError, match=r"was fitted to llama with other weights than those of qwen2; calibrate qwen2"):
        Model.open(other.model.requested_name, reading=Reading("calibrated"), calibration=calibration)
    assert calibration.path.read_bytes() == before


def test_an_atlas_has_its_calibration_beside_it_and_is_read_with_it(
    calibration: Calibration, hooked_model: HookedModel, tmp_path: Path
) -> None:
    name = hooked_model.model.requested_name
    model = maps.load(name, reading="calibrated+input-norm+final-norm+target-map", calibration=calibration.path)
    atlas = maps.map(model, tmp_path / "atlas", relations={"same": [["amber", "amber"]]}, min_pairs=1)
    assert atlas.info["settings"]["reading"] == "calibrated+input-norm+final-norm+target-map"
    assert (atlas.folder / CALIBRATION_FILE).read_bytes() == calibration.path.read_bytes()
    assert {row["reading"] for row in atlas.table("relations").to_pylist()} == {str(model.reading)}
    maps.score(atlas, random_heads=2)  # opens the model with the atlas's reading
    (atlas.folder / CALIBRATION_FILE).unlink()
    with pytest.raises(MapsError, match=r"^There is no calibration "):
        maps.score(atlas, random_heads=3)


@pytest.mark.parametrize("damage", ["text", "other tensors", "a missing map", "another shape", "NaN"])
def test_a_file_that_is_no_calibration_is_refused(damage: str, calibration: Calibration, tmp_path: Path) -> None:
    path, tensors = tmp_path / "maps.safetensors", load_file(calibration.path)
    info = {"calibration": json.dumps(calibration.info)}
    if damage == "text":
        path.write_text("no maps")
    elif damage == "other tensors":
        save_file(tensors, path)
    elif damage == "a missing map":
        save_file({name: tensor for name, tensor in tensors.items() if name != "target.1"}, path, info)
    else:
        wrong = torch.zeros(3, 3).half() if damage == "another shape" else torch.full((32, 32), torch.nan).half()
        save_file(tensors | {"source.2.weight": wrong}, path, info)
    with pytest.raises(MapsError) as caught:
        Calibration.open(path).source_map(2, 32)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
