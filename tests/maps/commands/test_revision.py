"""`--revision`: a state of a model on the Hub, such as a checkpoint of a training run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import maps
from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.weights.open import is_on_hub, split_revision
from tests.hub.loopback import LoopbackHub
from tests.small_models import SmallModel, random_weights, save_model_folder

NAME = "tester/small"


def run(hub: LoopbackHub, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "maps", *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.process
def test_each_state_of_a_model_is_mapped_as_itself(hub: LoopbackHub, tmp_path: Path) -> None:
    folders, commits = [], []
    for seed in (1, 2):
        weights = random_weights(SmallModel(), seed=seed)
        folders.append(save_model_folder(tmp_path / f"step{seed}", SmallModel(), weights))
        commits.append(hub.add_model(NAME, folders[-1]))
    out = tmp_path / "atlas"
    done = run(hub, tmp_path / "home", "map", NAME, "--revision", commits[0], "--out", str(out))
    assert done.returncode == 0, done.stderr
    refused = run(hub, tmp_path / "home", "map", NAME, "--revision", commits[1], "--out", str(out))
    atlas = Atlas.open(out)
    assert (atlas.model, atlas.info["revision"]) == (f"{NAME}@{commits[0]}", commits[0])
    old = maps.map(folders[0], tmp_path / "old")
    assert [atlas.mappings(head) for head in atlas.head_ids] == [old.mappings(head) for head in old.head_ids]
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"{out} holds an atlas made with other settings (model was ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smollm2", "--revision", "main"], "--revision names a state of a model on the Hub, but smollm2 is on this"),
        (["a/b@one", "--revision", "two"], "a/b@one and --revision two name two states of the model; leave one of"),
        (["a/b", "--revision", "no such"], "'no such' is no revision; give a branch, tag or commit of a/b."),
    ],
)
def test_a_revision_that_cannot_be_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["map", *arguments, "--out", str(tmp_path / "atlas")]) == 2
    assert capsys.readouterr().err.startswith(message)
    assert not (tmp_path / "atlas").exists()


def test_names_with_a_revision_are_names_on_the_hub(tmp_path: Path) -> None:
    assert split_revision("EleutherAI/pythia-160m@step1000") == ("EleutherAI/pythia-160m", "step1000")
    assert split_revision("gpt2") == ("gpt2", None)
    assert is_on_hub("a/b@refs/pr/1")
    assert not is_on_hub("smollm2")
    assert not is_on_hub(str(tmp_path))
    assert not is_on_hub("a/b@x.gguf")
