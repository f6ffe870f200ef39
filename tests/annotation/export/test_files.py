"""Exports: what went in comes out, in every format, whatever people wrote."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.errors import DatasetError
from annotation.export import files
from annotation.types import JUDGMENT_COLUMNS, Judgment
from tests.annotation import invented_study

Judge = Callable[..., Judgment]
ROOT = Path(__file__).parents[3]


def rows_of(judge: Judge) -> list[Judgment]:
    return [
        judge("j-1", comment='=HYPERLINK("x")\r\n"quoted", é\u202e'),
        judge("j-2", supersedes="j-1", presence="absent_none", precision=None, category=None),
        judge("j-3", annotator="a-2", comment="-1", precision="poor"),
    ]


def loaded(folder: Path, cache: Path, streaming: bool = False) -> dict[str, object]:
    """What `datasets.load_dataset` makes of a folder, in a process of its own without network."""
    script = (
        "import json, sys, datasets\n"
        "datasets.disable_progress_bars()\n"
        "found = datasets.load_dataset(sys.argv[1], split='train', streaming=sys.argv[2] == 'True')\n"
        "print(json.dumps({'rows': list(found), 'types': {k: v.dtype for k, v in found.features.items()}},"
        " default=str))"
    )
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cache), "HF_DATASETS_CACHE": str(cache / "datasets")}
    command = [sys.executable, "-c", script, str(folder), str(streaming)]
    done = subprocess.run(command, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_the_card_tells_the_frozen_settings_of_a_study(tmp_path: Path, judge: Judge) -> None:
    deadline = datetime(2027, 1, 31, 18, tzinfo=UTC)
    settings = replace(
        invented_study.BASE_SETTINGS,
        model="smollm2",
        layers=30,
        describer="gpt-4o",
        heads=40,
        sample="stratified",
        per_item=3,
        overlap=4,
        swapped=2,
        shuffled=1,
        per_annotator=20,
        deadline=deadline,
        seed=7,
        created_at=deadline,
    )
    rows = [judge(), judge("j-2", model="practice", item_kind="practice")]
    files.export_judgments(rows, tmp_path, "datasets", settings=settings)
    card = (tmp_path / "README.md").read_text()
    assert "40 heads described by gpt-4o (stratified sample, seed 7); 3 judgments for each item, " in card
    assert "at most 20 items for each annotator, deadline 2027-01-31 18:00 (UTC)." in card
    assert "- Study: default; model: smollm2.\n" in card
    assert "Blind controls: 2 with another head's description, 1 with shuffled mappings." in card


def test_parquet_holds_types_and_real_nulls(tmp_path: Path, judge: Judge) -> None:
    rows = rows_of(judge)
    assert files.export_judgments(rows, tmp_path / "new", "parquet") == [tmp_path / "new" / "judgments.parquet"]
    table = pq.read_table(tmp_path / "new" / "judgments.parquet")
    assert table.schema.equals(files.JUDGMENTS_SCHEMA)
    assert [table.schema.field(name).type for name in ("layer", "head", "started_at")] == [
        pa.int32(),
        pa.int32(),
        pa.timestamp("us", tz="UTC"),
    ]
    cells = table.to_pylist()
    assert [row["comment"] for row in cells] == [rows[0].comment, None, "-1"]
    assert {row.pop("stale") for row in cells} == {None}
    assert [Judgment(**{**row, "comment": row["comment"] or ""}) for row in cells] == rows


def test_stale_judgments_are_marked_and_in_no_figure_of_the_card(tmp_path: Path, judge: Judge) -> None:
    rows = [judge("j-1"), judge("j-2", annotator="a-2", presence="absent_none", precision=None, category=None)]
    for fmt in files.EXPORT_FORMATS:
        files.export_judgments(rows, tmp_path, fmt, stale={"j-1"})
    assert pd.read_csv(tmp_path / "judgments.csv")["stale"].tolist() == [True, False]
    assert pq.read_table(tmp_path / "data" / "judgments.parquet")["stale"].to_pylist() == [True, False]
    card = (tmp_path / "README.md").read_text()
    assert "2 rows, one for each judgment" in card
    assert "- 1 annotator, 1 item, 1 judgment." in card
    assert "- Left out: 1 judgment of stale items (their mappings or description have changed)." in card


def test_csv_is_safe_to_open_in_a_spreadsheet(tmp_path: Path, judge: Judge) -> None:
    (file,) = files.export_judgments(rows_of(judge), tmp_path, "csv")
    with file.open(encoding="utf-8", newline="") as text:
        heading, first, second, third = csv.reader(text)
    assert heading == [*JUDGMENT_COLUMNS, "stale"]
    assert dict(zip(heading, first, strict=True))["comment"] == '\'=HYPERLINK("x")\r\n"quoted", é\u202e'
    assert dict(zip(heading, third, strict=True))["comment"] == "'-1"
    assert second == [
        *("j-2", "default", "smollm2", "26", "2", "head", "a-1", "absent_none", "", "", ""),
        *("2026-11-22T12:00:00.250000Z", "2026-11-22T12:00:30.250000Z", "30.0", "j-1"),
        *("map-hash", "d-1", "1", "1", "0.1.0", "", ""),
    ]
    table = pd.read_csv(file)
    assert table["layer"].tolist() == [26, 26, 26]
    assert table["precision"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "'=", "''@"])
def test_every_start_of_a_formula_gets_an_apostrophe_that_reading_takes_away(
    tmp_path: Path, judge: Judge, start: str
) -> None:
    (file,) = files.export_judgments([judge(comment=f"{start}1")], tmp_path, "csv")
    with file.open(encoding="utf-8", newline="") as text:
        assert next(csv.DictReader(text))["comment"] == f"'{start}1"
    assert files.read_judgments_table(file)["comment"].tolist() == [f"{start}1"]


@pytest.mark.parametrize("comment", ["'tis", "a\0b", ";=1", "\u2028", "'", '"', "x\r\ny\rz\n"])
def test_other_text_stays_as_it_is(tmp_path: Path, judge: Judge, comment: str) -> None:
    (file,) = files.export_judgments([judge(comment=comment)], tmp_path, "csv")
    assert files.read_judgments_table(file)["comment"].tolist() == [comment]


def test_columns_without_a_name_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "some.csv"
    file.write_text("item,,annotator,\n1,x,a,\n", encoding="utf-8")
    assert files.read_judgments_table(file).to_dict("list") == {"item": ["1"], "annotator": ["a"]}


@pytest.mark.slow
def test_a_datasets_folder_loads_as_it_was_written(tmp_path: Path, judge: Judge) -> None:
    for fmt in files.EXPORT_FORMATS:
        files.export_judgments(rows_of(judge), tmp_path / "out", fmt)
    found = loaded(tmp_path / "out", tmp_path / "cache")
    expected = pq.read_table(tmp_path / "out" / "judgments.parquet").to_pylist()
    assert found["rows"] == json.loads(json.dumps(expected, default=str))
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for part in (
        "license: cc-by-4.0",
        "\n3 rows, one for each judgment",
        "- Left out: 1 judgment superseded by a later answer.",
    ):
        assert part in card
    assert "- Annotators agreed on question one (presence) in 0 % of pairs, averaged over 1 item." in card


def test_the_card_says_how_the_judgments_were_made_and_what_they_show(tmp_path: Path, judge: Judge) -> None:
    rows = [
        judge("1"),
        judge("2", annotator="a-2", model="<b>*m*</b>"),
        judge("3", item_kind="swapped", layer=3),
        judge("4", item_kind="swapped", layer=3, annotator="a-2"),
    ]
    files.export_judgments(rows, tmp_path, "datasets", {"smollm2": 30})
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    for part in (
        "- Study: default; model: \\<b\\>\\*m\\*\\</b\\>, smollm2.\n",
        "- Items judged: heads: 2; controls with another head's description: 1.\n",
        "- Judged by 2 annotators from 2026-11-22 to 2026-11-22 (UTC).\n",
        "- Guidelines version: 1; form version: 1.\n",
        "; controls with another head's description: 2 of 2, 100.0 %; paper: 217 of 272, 79.8 %.\n",
        "- smollm2, last layer quarter: 1 item, 1 judgment; right about whether a pattern is visible: 1 of 1, 100.0 %;",
        "The paper's numbers: Amit Elhelo and Mor Geva,",
        "## Withdrawals\n\nAnnotators may withdraw.",
        "## Licence\n",
    ):
        assert part in card


def test_the_card_does_not_count_who_adjudicates_among_the_annotators(tmp_path: Path, judge: Judge) -> None:
    rows = [judge("1"), judge("2", annotator="a-2"), judge("3", annotator="a-o", item_kind="adjudication")]
    files.export_judgments(rows, tmp_path, "datasets")
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert (
        "- Judged by 2 annotators from 2026-11-22 to 2026-11-22 (UTC); disagreements decided by 1 organiser.\n" in card
    )
    assert "- 2 annotators, 1 item, 2 judgments. " in card


def test_a_table_is_written_by_its_ending(tmp_path: Path) -> None:
    table = pd.DataFrame({"item": ["=1", None], "n": [1, 2], "tie": [True, False], "share": [0.5, None]})
    files.write_table(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == b"item,n,tie,share\r\n'=1,1,True,0.5\r\n,2,False,\r\n"
    files.write_table(table, tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet").to_pylist() == [
        {"item": "=1", "n": 1, "tie": True, "share": 0.5},
        {"item": None, "n": 2, "tie": False, "share": None},
    ]
    for path, sentence in (
        (tmp_path / "t.txt", "neither a .csv nor a .parquet"),
        (tmp_path / "t.csv" / "u.csv", "cannot"),
    ):
        with pytest.raises(DatasetError, match=sentence):
            files.write_table(table, path)


@pytest.mark.slow
def test_a_datasets_folder_without_rows_streams_with_its_types(tmp_path: Path) -> None:
    files.export_judgments([], tmp_path / "out", "datasets")
    found = loaded(tmp_path / "out", tmp_path / "cache", streaming=True)
    kinds = {"layer": "int32", "head": "int32", "seconds": "float64"}
    kinds |= dict.fromkeys(("started_at", "submitted_at"), "timestamp[us, tz=UTC]")
    types = {name: kinds.get(name, "string") for name in JUDGMENT_COLUMNS} | {"stale": "bool"}
    assert found == {"rows": [], "types": types}


@pytest.mark.slow
def test_a_column_that_is_null_throughout_keeps_its_type(tmp_path: Path, judge: Judge) -> None:
    files.export_judgments([judge(comment="", supersedes=None)], tmp_path / "out", "datasets")
    types = loaded(tmp_path / "out", tmp_path / "cache")["types"]
    assert isinstance(types, dict)
    assert [types[name] for name in ("comment", "supersedes")] == ["string", "string"]


def test_a_failed_export_leaves_the_old_file_and_nothing_else(tmp_path: Path, judge: Judge) -> None:
    files.export_judgments([judge()], tmp_path, "csv")
    before = (tmp_path / "judgments.csv").read_bytes()
    with pytest.raises(UnicodeEncodeError):
        files.export_judgments([judge(comment="\ud800")], tmp_path, "csv")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("judgments.csv", before)]


def test_an_export_that_cannot_be_written_says_so(tmp_path: Path, judge: Judge) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"cannot be written to .*file: (File exists|Not a directory)\."):
        files.export_judgments([judge()], tmp_path / "file", "csv")
    with pytest.raises(DatasetError, match="'xlsx' is not an export format; choose one of csv, parquet, datasets"):
        files.export_judgments([], tmp_path, "xlsx")


def test_reading_keeps_every_cell_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "some.CSV"
    file.write_text("item,annotator,note\r\n01,NA,\r\n\r\n2,null,1e3\r\n", encoding="utf-8-sig", newline="")
    assert files.read_judgments_table(file).to_numpy().tolist() == [["01", "NA", ""], ["2", "null", "1e3"]]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"item,annotator\n1\n", "Row 2 of .* has 1 cell, but row 1 has 2 headings; correct row 2"),
        ("a.csv", b"item,item\n1,2\n", "has a column twice: item"),
        ("a.csv", "item\né".encode("latin-1"), "is not in UTF-8"),
        ("a.csv", b'item\n"open', "cannot be read: unexpected end of data"),
        ("a.csv", b"", "is empty"),
        ("a.parquet", b"no parquet", "cannot be read: "),
        ("a.xlsx", b"", "is not a table that can be read; save it as .csv, .tsv, .jsonl or .parquet"),
    ],
)
def test_unreadable_files_are_explained(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=sentence) as caught:
        files.read_judgments_table(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(DatasetError, match=f"{name} cannot be read: No such file or directory"):
            files.read_judgments_table(tmp_path / name)
