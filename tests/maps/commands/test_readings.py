"""Readings on the command line: `calibrate`, `map --reading`, `evaluate readings`, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maps.__main__ import main
from maps.atlas.reader import CALIBRATION_FILE, Atlas
from maps.errors import NotRunnableError
from maps.experiments import auto_reading
from maps.experiments.hooked_model import HookedModel
from maps.mapping.model import Model
from tests.hooked_models import open_family

BEST = "calibrated+input-norm+final-norm+target-map"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A small model that transformers runs."""
    return open_family("llama", tmp_path / "llama").model.requested_name


@pytest.fixture(autouse=True)
def few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_reading, "TOKENS", 240)


@pytest.mark.transformers
def test_a_model_is_calibrated_and_mapped_with_it(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps_file, out = tmp_path / "maps.safetensors", tmp_path / "atlas"
    assert main(["calibrate", folder, "--out", str(maps_file), "--tokens", "240"]) == 0
    assert f"Calibrated llama: the maps are in {maps_file} (0 MB)." in capsys.readouterr().out
    command = ["map", folder, "--out", str(out), "--relations", "copying", "--reading", BEST]
    assert main([*command, "--calibration", str(maps_file)]) == 0
    atlas = Atlas.open(out)
    assert (atlas.info["reading"], atlas.info["settings"]["reading"]) == (BEST, BEST)
    assert (out / CALIBRATION_FILE).read_bytes() == maps_file.read_bytes()
    capsys.readouterr()
    assert main(["map", folder, "--out", str(out), "--relations", "copying", "--reading", "paper"]) == 2
    assert "holds an atlas made with other settings (" in capsys.readouterr().err


@pytest.mark.transformers
def test_auto_calibrates_first_and_takes_what_an_evaluation_recommends(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "atlas"
    command = ["map", folder, "--out", str(out), "--relations", "copying", "--reading", "auto"]
    assert main(command) == 0
    assert f"Reading: {BEST} (the best on the models that were measured)." in capsys.readouterr().err
    assert Atlas.open(out).reading == BEST
    assert main(command) == 0
    assert "was already finished" in capsys.readouterr().out
    other = tmp_path / "other"
    other.mkdir()
    (other / "readings.json").write_text(json.dumps({"recommended": "residual+final-norm"}))
    assert main(["map", folder, "--out", str(other), "--relations", "copying", "--reading", "auto"]) == 0
    assert "residual+final-norm (recommended by `evaluate readings` here)" in capsys.readouterr().err
    assert Atlas.open(other).reading == "residual+final-norm"
    assert not (other / CALIBRATION_FILE).exists()


@pytest.mark.transformers
def test_where_the_model_cannot_be_run_auto_takes_the_best_from_weights_alone_and_says_so(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_model: Model) -> HookedModel:
        raise NotRunnableError("transformers cannot run it")

    monkeypatch.setattr(HookedModel, "open", refuse)
    out = tmp_path / "atlas"
    assert main(["map", folder, "--out", str(out), "--relations", "copying", "--reading", "auto"]) == 0
    said = "the best from weights alone, because the model cannot be run (transformers cannot run it)"
    assert said in capsys.readouterr().err
    assert Atlas.open(out).reading == "mlp+input-norm+final-norm"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["map", "--reading", "nonsense"],
            "There is no reading nonsense; a reading is paper, or one of mlp, embedding,",
        ),
        (["map", "--reading", "mlp+input-norm+input-norm"], "There is no reading mlp+input-norm+input-norm;"),
        (
            ["map", "--reading", "calibrated"],
            "The reading calibrated needs a calibration; make one with `python -m maps",
        ),
        (["map", "--reading", "mlp", "--no-first-mlp"], "--no-first-mlp and --reading both name the source; leave one"),
        (["map", "--reading", "auto", "--final-norm"], "--reading auto chooses the whole reading; leave out"),
        (
            ["map", "--reading", "calibrated", "--calibration", "nowhere"],
            "There is no calibration nowhere; make it with",
        ),
        (["evaluate", "random", "--reading", "auto"], "Only `maps map` chooses a reading by itself; name the reading"),
        (["evaluate", "readings", "--reading", "mlp"], "evaluate readings judges all readings; leave out --reading,"),
        (["evaluate", "attention", "--final-norm"], "evaluate attention reads no targets; leave out +final-norm"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_sentence(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *rest = options
    front = [command] if command == "map" else [command, rest.pop(0)]
    assert main([*front, "smollm2", "--out", str(tmp_path / "out"), *rest]) == 2
    error = capsys.readouterr().err
    assert error.startswith(sentence)
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
