"""The commands, as people run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from annotation.journal import Journal
from annotation.types import Judgment

Judge = Callable[..., Judgment]
ROOT = Path(__file__).parents[2]
SEED = ROOT / "space" / "seed" / "smollm2"


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


def test_agreement_takes_layers_and_evidence_from_an_atlas(tmp_path: Path, data: Path) -> None:
    run("export", "--format", "csv", "--out", tmp_path, data=data)
    file = tmp_path / "judgments.csv"
    plain, named, with_atlas = (
        json.loads(run("agreement", file, "--json", *more).stdout)
        for more in ((), ("--layers", "smollm2=8"), ("--layers", "smollm2=8", "--atlas", SEED))
    )
    assert plain["by_quarter"] == {
        "groups": [],
        "reason": "The number of layers of smollm2 is not known: left out by layer quarter.",
    }
    assert [(group["quarter"], group["items"]) for group in named["by_quarter"]["groups"]] == [(0, 2), (1, 2), (2, 1)]
    assert (plain["evidence"], named["evidence"]) == (None, None)
    assert [each["measure"] for each in with_atlas["evidence"]] == ["detection", "support"]
    assert plain["paper"]["rates"]["correct"] == {"value": 217 / 272, "count": 217, "n": 272}
    assert list(named["by_model"]["groups"][0]["questions"]["precision"]) == list(named["questions"]["precision"])


def test_labels_are_written_as_csv_and_parquet(tmp_path: Path, data: Path) -> None:
    run("export", "--format", "parquet", "--out", tmp_path, data=data)
    file = tmp_path / "judgments.parquet"
    done = run("labels", file, "--out", tmp_path / "labels.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Labels of 5 items on question one (presence), by majority: 0 absent_none, 0 absent_described, 0 "
        "present_missed, 5 present_described; none tied.",
        "Labels of 5 items on question two (precision), by majority: 5 accurate, 0 inaccurate, 0 partial, 0 poor; none "
        "tied.",
        "Labels of 5 items on question three (category), by majority: 5 semantic, 0 language, 0 general, 0 unnatural; "
        "none tied.",
        "Dawid and Skene's model gives another label to 0 of the 15 that both label.",
        f"{tmp_path / 'labels.csv'}: 15 labels",
    ]
    assert run("labels", file, "--out", tmp_path / "labels.parquet", "--majority-only").returncode == 0
    table = pq.read_table(tmp_path / "labels.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        **dict.fromkeys(
            ("study", "model", "mapping_hash", "description_id", "question", "majority", "label"), "string"
        ),
        **dict.fromkeys(("layer", "head", "n"), "int32"),
        **dict.fromkeys(("tie", "adjudicated"), "bool"),
    }
    text = pd.read_csv(tmp_path / "labels.csv")
    assert text["dawid_skene"].tolist() == text["majority"].tolist() == table["majority"].to_pylist()
    assert text["dawid_skene_probability"].round(6).tolist() == [1.0] * 15


def test_one_format_and_one_study_can_be_asked_for(tmp_path: Path, data: Path) -> None:
    done = run("export", "--data", data, "--format", "csv", "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'out' / 'judgments.csv'}: 10 judgments\n")
    done = run("export", "--data", data, "--study", "pilot", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (2, "No judgment belongs to the study 'pilot'; there is default.\n")


def test_bad_input_gets_one_sentence_and_status_two(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("item,annotator,presence,precision,category\n1,a,maybe,,\n")
    (tmp_path / "good.csv").write_text("item,annotator,presence,precision,category\n1,a,absent_none,,\n")
    sentences = {
        ("agreement", tmp_path / "none.csv"): f"{tmp_path}/none.csv cannot be read: No such file or directory.\n",
        ("agreement", tmp_path / "bad.csv"): (
            "Row 1 has 'maybe' as presence; it must be one of absent_none, absent_described, present_missed, "
            "present_described.\n"
        ),
        ("labels", tmp_path / "bad.csv", "--out", "labels.txt"): "labels.txt is neither a .csv nor a .parquet file.\n",
        ("agreement", tmp_path / "good.csv", "--atlas", tmp_path): (
            f"{tmp_path} is no atlas; `python -m maps map MODEL --out {tmp_path}` makes one.\n"
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
    for arguments in ((), ("export",), ("agreement",), ("labels",)):
        done = run(*arguments, "--help")
        assert done.returncode == 0
        assert "example: python -m annotation" in done.stdout
    listed = run("--help").stdout
    assert "publish" not in listed
    assert "study create" not in listed
