"""A mapping as a Job of the Hub: asked for once, watched, and its command run as a Job would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from maps.atlas.reader import Atlas
from maps.atlas.remote import download_atlas
from space.__main__ import main
from space.hosting.jobs import SOURCE_DATASET
from tests.hub.loopback import LoopbackHub
from tests.hub.routing import USER_NAME
from tests.small_models import WORDS, SmallModel, random_weights, save_model_folder

Capture = pytest.CaptureFixture[str]
MAP = ("jobs", "map", f"{USER_NAME}/model", "--out", f"{USER_NAME}/atlas")


@pytest.fixture
def paid(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """A Hub that the commands speak to."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return hub


def said(capsys: Capture, status: int, *arguments: str) -> tuple[str, str]:
    """What a command prints, and what it says where it fails."""
    assert main(list(arguments)) == status
    out, error = capsys.readouterr()
    return out, error


def test_a_mapping_is_started_as_a_job_and_watched_to_its_end(paid: LoopbackHub, capsys: Capture) -> None:
    paid.jobs.printed = ("Mapped 8 heads", "\x1b[2Jclear")
    out, _ = said(capsys, 0, *MAP, "--layers", "0-1", "--suppressive", "--timeout", "90m")
    [(job, asked)] = paid.jobs.asked.items()
    assert asked["command"][:2] == ["bash", "-c"]
    assert asked["command"][2] == (
        "uv pip install --quiet --system --torch-backend=auto -r /source/requirements.txt && cd /source && "
        f"python -m maps map {USER_NAME}/model --out /tmp/atlas --layers=0-1 --suppressive && "
        f"python -m maps push /tmp/atlas {USER_NAME}/atlas"
    )
    [commit] = paid.commits(f"{USER_NAME}/{SOURCE_DATASET}")
    volume = {"type": "dataset", "source": f"{USER_NAME}/{SOURCE_DATASET}", "mountPath": "/source", "readOnly": True}
    assert asked["volumes"] == [{**volume, "revision": commit.oid}]
    assert (asked["flavor"], asked["timeoutSeconds"]) == ("cpu-upgrade", 5400)
    assert (asked["secrets"], paid.token in json.dumps(asked["command"] + [out])) == ({"HF_TOKEN": paid.token}, False)
    assert paid.repositories["dataset", f"{USER_NAME}/{SOURCE_DATASET}"].private
    assert "Machine: cpu-upgrade, 8 vCPU, 32 GB, $0.03 an hour, for at most 90m.\n" in out
    assert f"`python -m space jobs logs {job} --namespace {USER_NAME}` prints its output" in out
    assert out.endswith(f"Mapped 8 heads\n\\u001B[2Jclear\nThe atlas is in the dataset {USER_NAME}/atlas.\n")


def test_the_same_job_is_never_started_twice(paid: LoopbackHub, capsys: Capture) -> None:
    first, _ = said(capsys, 0, *MAP, "--detach")
    again, _ = said(capsys, 0, *MAP, "--detach")
    assert ("Starting the Job." in first, "This Job is already running." in again, len(paid.jobs.asked)) == (
        True,
        True,
        1,
    )
    said(capsys, 0, *MAP)  # which watches it to its end
    said(capsys, 0, *MAP, "--detach")
    assert (len(paid.jobs.asked), len(paid.commits(f"{USER_NAME}/{SOURCE_DATASET}"))) == (2, 1)
    said(capsys, 0, *MAP, "--detach", "--k", "3")
    assert len(paid.jobs.asked) == 3


def test_a_job_whose_answer_was_lost_is_found_again(paid: LoopbackHub, capsys: Capture) -> None:
    paid.lose_next_reply(r"^POST /api/jobs/")
    out, _ = said(capsys, 0, *MAP)
    assert (len(paid.jobs.asked), out.count("The Job is at")) == (1, 1)


def test_a_dry_run_starts_and_sends_nothing(paid: LoopbackHub, capsys: Capture) -> None:
    out, _ = said(capsys, 0, *MAP, "--flavor", "t4-small", "--dry-run")
    assert "t4-small, 4 vCPU, 15 GB, $0.40 an hour" in out
    assert "--device=cuda" in out
    assert (paid.jobs.asked, paid.repositories, paid.matching_requests("^POST")) == ({}, {}, [])


def test_a_job_that_fails_or_is_refused_says_why_in_one_sentence(paid: LoopbackHub, capsys: Capture) -> None:
    paid.jobs.end = "ERROR"
    assert said(capsys, 1, *MAP)[1] == f"The Job {0:024x} ended as ERROR; its output above says why.\n"
    paid.jobs.poor = True
    refused = f"The Hub started no Job because {USER_NAME} has no credit; add some in its billing settings.\n"
    assert said(capsys, 1, *MAP)[1] == refused
    unknown = "The Hub has no machine b200 for Jobs; choose one of cpu-upgrade ($0.03 an hour), t4-small "
    assert said(capsys, 2, *MAP, "--flavor", "b200")[1] == f"{unknown}($0.40 an hour).\n"


def test_what_a_job_cannot_have_is_refused(
    paid: LoopbackHub, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = f"A Job cannot read {tmp_path}; put the model on the Hub and give its id, such as user/name.\n"
    assert said(capsys, 2, "jobs", "map", str(tmp_path), "--out", "a/b")[1] == here
    name = "'atlas' is not a valid name of a dataset on the Hub; write --out user/name.\n"
    assert said(capsys, 2, "jobs", "map", "gpt2", "--out", "atlas")[1] == name
    assert "There is no relation nonsense" in said(capsys, 2, *MAP, "--relations", "nonsense")[1]
    assert "with --reading auto it calibrates by itself" in said(capsys, 2, *MAP, "--calibration", str(tmp_path))[1]
    assert "leave out --no-first-mlp" in said(capsys, 2, *MAP, "--reading", "auto", "--no-first-mlp")[1]
    assert paid.jobs.asked == {}
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert "Jobs need a token" in said(capsys, 2, *MAP)[1]


@pytest.mark.process
def test_what_a_job_runs_maps_the_model_and_pushes_the_atlas(
    paid: LoopbackHub, tmp_path: Path, capsys: Capture
) -> None:
    """Its shell, on the files of its volume, with a `uv` that installs nothing."""
    small = SmallModel()
    paid.add_model(f"{USER_NAME}/model", save_model_folder(tmp_path / "model", small, random_weights(small)))
    own = tmp_path / "own.json"
    own.write_text(json.dumps([[word, word] for word in WORDS]))
    said(capsys, 0, *MAP, "--detach", "--relation", f"same={own}", "--reading", "auto")
    [asked] = paid.jobs.asked.values()
    source, tools = tmp_path / "source", tmp_path / "tools"
    for path, content in paid.files(f"{USER_NAME}/{SOURCE_DATASET}").items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)
    tools.mkdir()
    (tools / "uv").write_text("#!/bin/sh\n")
    (tools / "uv").chmod(0o755)
    shell = asked["command"][2].replace("/source", str(source)).replace("/tmp/atlas", str(tmp_path / "atlas"))
    python = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **asked["environment"], **asked["secrets"], "PATH": python, "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.count("Mapped 8 heads")) == (0, 1), done.stderr
    atlas = Atlas.open(
        download_atlas(f"{USER_NAME}/atlas", endpoint=paid.url, token=paid.token, cache=tmp_path / "cache")
    )
    assert "calibrated" in str(atlas.info["settings"]["reading"])
    assert {score.relation for score in atlas.relation_scores(atlas.head_ids[0])} == {"same"}
