"""The commands, as people run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from annotation.journal import Journal
from annotation.types import Judgment

Judge = Callable[..., Judgment]
ROOT = Path(__file__).parents[2]


def run(*arguments: object, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MAPS_DATA"}
    if data is not None:
        environment["MAPS_DATA"] = str(data)
    command = [sys.executable, "-m", "annotation", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def data(tmp_path: Path, judge: Judge) -> Path:
    with Journal(tmp_path / "data" / "journal.sqlite") as journal:
        for person in ("a-1", "a-2"):
            journal.consent(person, "Ada", "1")
            for layer in range(5):
                journal.record(judge(f"{person}-{layer}", annotator=person, layer=layer))
    return tmp_path / "data"


def test_an_export_feeds_the_agreement_command(tmp_path: Path, data: Path) -> None:
    done = run("export", "--out", tmp_path / "out", data=data)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.*")) == [
        *("README.md", "data/judgments.parquet", "judgments.csv", "judgments.parquet")
    ]
    texts = (file.read_bytes() for file in (tmp_path / "out").rglob("*.*"))
    assert not any(b"Ada" in text for text in texts)
    from_csv, from_parquet = (
        run("agreement", tmp_path / "out" / f"judgments.{k}", "--json") for k in ("csv", "parquet")
    )
    assert from_csv.stdout == from_parquet.stdout
    found = json.loads(from_csv.stdout)
    assert (found["items"], found["annotators"], found["judgments"]) == (5, 2, 10)
    assert found["questions"]["presence"]["percent"] == {
        **{"value": 1.0, "low": 1.0, "high": 1.0, "n": 5, "draws": 1000, "reason": None}
    }
    sentences = run("agreement", tmp_path / "out" / "judgments.csv").stdout
    assert "Annotators agreed on question one (presence) for 100 % (100 to 100 %) of 5 items." in sentences


def test_one_format_and_one_study_can_be_asked_for(tmp_path: Path, data: Path) -> None:
    done = run("export", "--data", data, "--format", "csv", "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'out' / 'judgments.csv'}: 10 judgments\n")
    done = run("export", "--data", data, "--study", "pilot", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (2, "No judgment belongs to the study 'pilot'; there is default.\n")


def test_bad_input_gets_one_sentence_and_status_two(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("item,annotator,presence,precision,category\n1,a,maybe,,\n")
    sentences = {
        ("agreement", tmp_path / "none.csv"): f"{tmp_path}/none.csv cannot be read: No such file or directory.\n",
        ("agreement", tmp_path / "bad.csv"): (
            "Row 1 has 'maybe' as presence; it must be one of absent_none, absent_described, present_missed, "
            "present_described.\n"
        ),
        ("agreement", tmp_path / "bad.csv", "--seed", "-1"): "The seed is -1; it must be 0 or more.\n",
        ("export", "--data", tmp_path, "--out", tmp_path): (
            f"There is no journal at {tmp_path}/journal.sqlite; it begins with the first answer, or --data names its "
            "folder.\n"
        ),
    }
    for arguments, sentence in sentences.items():
        done = run(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_help_shows_an_example_and_no_command_yet_to_come() -> None:
    for arguments in ((), ("export",), ("agreement",), ("publish",)):
        done = run(*arguments, "--help")
        assert done.returncode == 0
        assert "example: python -m annotation" in done.stdout
    listed = run("--help").stdout
    assert "study create" not in listed
