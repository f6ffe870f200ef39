"""Tables as people's programs save them are read as the same table, or refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from annotation.errors import DatasetError, SummaryError
from annotation.export.files import read_judgments_table
from annotation.statistics.judgments_table import CountedJudgments, select_counted_judgments

HEADINGS = ["item", "annotator", "presence", "precision", "category", "comment"]
ROWS = [
    ["01", "ana", "present_described", "accurate", "semantic", ""],
    ["01", "béa", "present_described", "poor", "general", "touché, 100 %"],
    ["02", "ana", "present_missed", "", "language", ""],
    ["02", "béa", "absent_none", "", "", ""],
]


def text_of(rows: Sequence[Sequence[str]], separator: str = ",") -> str:
    return "".join(separator.join(f'"{cell}"' if separator in cell else cell for cell in row) + "\r\n" for row in rows)


PLAIN = text_of([HEADINGS, *ROWS])


def counted(path: Path) -> CountedJudgments:
    return select_counted_judgments(read_judgments_table(path))


def counted_text(folder: Path, text: str, name: str = "t.csv", encoding: str = "utf-8") -> CountedJudgments:
    (folder / name).write_bytes(text.encode(encoding))
    return counted(folder / name)


def answers(judgments: CountedJudgments) -> list[list[str | None]]:
    cells = judgments.rows[HEADINGS[:-1]].to_numpy(dtype=object).tolist()
    return [[None if cell is None else str(cell) for cell in row] for row in cells]


EXPECTED = [[cell or None for cell in row[:-1]] for row in ROWS]


def saved_in_r(text: str) -> str:
    rows = [[cell or "NA" for cell in row] for row in [HEADINGS, *ROWS]]
    assert text == PLAIN
    return "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows)


def with_blank_rows(text: str) -> str:
    heading, first, rest = text.split("\r\n", 2)
    return f"{heading}\r\n,,,,,\r\n\r\n{first}\r\n  , ,,,\t,\r\n{rest},,,,,\r\n,,,,,,,,,\r\n"


@pytest.mark.parametrize(
    "change",
    [
        with_blank_rows,
        lambda text: text.replace("\r\n", ",,,\r\n"),  # blank cells to the right
        lambda text: text.replace("comment\r\n", "comment,,\r\n"),  # and in the headings only
        lambda text: f",,,,,\r\n\r\n{text}",
        lambda text: f"sep=,\r\n{text}",
        lambda text: f'\ufeff"sep=,",,,,,\r\n{text}',  # the line for Excel, saved again by a program that kept it
        lambda _: f"SEP=;\n{text_of([HEADINGS, *ROWS], ';')}",
        lambda _: text_of([HEADINGS, *ROWS], ";"),
        lambda _: text_of([HEADINGS, *ROWS], "\t"),
        lambda _: f"sep=|\r{text_of([HEADINGS, *ROWS], '|')}",
        lambda text: text.replace(",".join(HEADINGS), "Item,ANNOTATOR, Presence ,\u00a0precision,Category\t,Comment"),
        lambda text: text.replace("\r\n", "\n"),
        lambda text: text.replace("\r\n", "\r"),
        lambda text: f"\ufeff{text}",
        lambda text: "".join(f"{n},{line}\r\n" for n, line in zip(["", *"0123"], text.splitlines(), strict=True)),
        lambda text: "".join(
            f"{n},{line}\r\n" for n, line in zip(["Unnamed: 0", *"0123"], text.splitlines(), strict=True)
        ),
        saved_in_r,
        lambda text: text.replace(",,", ",nan,").replace(",,", ",None,").replace(",\r", ",NULL\r"),
        lambda text: text.replace(",,", ",N/A,").replace(",,", ",#N/A,"),
    ],
)
def test_a_table_is_the_same_however_its_program_saves_it(tmp_path: Path, change: Callable[[str], str]) -> None:
    assert answers(counted_text(tmp_path, change(PLAIN))) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "txt"])
def test_encodings_with_a_mark_and_all_separators_are_read(
    tmp_path: Path, encoding: str, separator: str, ending: str
) -> None:
    text = text_of([HEADINGS, *ROWS], separator)
    assert answers(counted_text(tmp_path, text, f"t.{ending}", encoding)) == EXPECTED


def frame() -> pd.DataFrame:
    return pd.DataFrame([[cell or None for cell in row] for row in ROWS], columns=HEADINGS)


def test_columns_of_an_index_are_read_from_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    for index in (["item", "annotator"], ["annotator"]):
        frame().set_index(index).to_parquet(path)
        assert answers(counted(path)) == EXPECTED
    frame().set_index(pd.Index(["w", "x", "y", "z"])).to_parquet(path)  # stored as __index_level_0__
    assert read_judgments_table(path).columns.tolist() == HEADINGS
    frame().rename(columns=str.title).assign(**{"Unnamed: 0": range(4)}).to_parquet(path)
    assert read_judgments_table(path).columns.tolist() == [*HEADINGS[:-1], "Comment"]
    missing = pd.DataFrame([[None] * 6], columns=HEADINGS)
    pd.concat([missing, frame(), missing]).reset_index(drop=True).to_parquet(path)
    assert answers(counted(path)) == EXPECTED
    assert counted(path).rows["row"].tolist() == [3, 4, 5, 6]


@pytest.mark.parametrize("orient", ["records", "columns"])
def test_json_of_a_data_frame_is_read(tmp_path: Path, orient: str) -> None:
    frame().rename(columns=str.upper).to_json(tmp_path / "t.json", orient=orient)  # type: ignore[call-overload]
    assert answers(counted(tmp_path / "t.json")) == EXPECTED


def test_json_lines_are_read_and_numbered_by_line(tmp_path: Path) -> None:
    lines = [json.dumps(dict(zip(HEADINGS, row, strict=True))) for row in ROWS]
    found = counted_text(tmp_path, "\n".join([lines[0], "", *lines[1:], ""]), "t.jsonl")
    assert (answers(found), found.rows["row"].tolist()) == (EXPECTED, [1, 3, 4, 5])


FLOATS = (
    "Judgment-ID,Model,layer,head,annotator,presence,precision,category,supersedes,stale\n"
    "101,m,3.0,2.0,1,absent_none,,,,0.0\n"
    "105,m,3,2,2.0,absent_none,,,,FALSE\n"
    "106.0,m,3.0,2.0,2,absent_described,,,105.0,no\n"
    "107,m,3.0,2.0,3,absent_none,,,,1.0\n"
    "108,m,4,2,3,absent_none,,,,yes\n"
)


def test_numbers_that_pandas_made_decimals_are_the_same_ids(tmp_path: Path) -> None:
    found = counted_text(tmp_path, FLOATS)
    assert found.rows["judgment_id"].tolist() == ["101", "106"]
    assert found.rows["annotator"].tolist() == ["1", "2"]
    assert found.rows["key"].nunique() == 1
    assert (found.excluded_counts["superseded"], found.excluded_counts["stale"]) == (1, 2)


def test_large_ids_of_parquet_stay_exact(tmp_path: Path) -> None:
    table = frame().iloc[[0, 0]].assign(judgment_id=[2**53 + 1, 2**53 + 3])
    table["supersedes"] = pd.array([None, 2**53 + 1], dtype="Int64")  # a column with a gap
    table.to_parquet(tmp_path / "t.parquet")
    found = counted(tmp_path / "t.parquet")
    assert (found.rows["judgment_id"].tolist(), found.excluded_counts["superseded"]) == ([str(2**53 + 3)], 1)


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    text = with_blank_rows(PLAIN.replace('"touché, 100 %"', '"two\r\nlines"'))
    assert counted_text(tmp_path, text).rows["row"].tolist() == [4, 6, 7, 8]
    assert counted_text(tmp_path, f"sep=,\r\n{PLAIN}").rows["row"].tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("absent_none", "maybe", "Row 7 has 'maybe' as presence; it must be one of absent_none, absent_described, "),
        ("absent_none", "NA", "Row 7 has 'NA' as presence, which stands for a missing value; it must be one of absent"),
        ("absent_none", "", "Row 7 has no presence; only precision and category may be blank."),
        ("02,béa", "02,NULL", "Row 7 has 'NULL' as annotator, which stands for a missing value; fill it in, or write"),
        ("02,béa", "nan,béa", "Row 7 has 'nan' as item, which stands for a missing value; "),
        ("02,béa", "01,béa", "The annotator béa answers an item more than once (item 01); a changed answer must name "),
        ("absent_none,", "absent_none", "Row 7 of FILE has 5 cells, but row 1 has 6 headings; correct row 7."),
        ("absent_none,,,", "absent_none,,,,x", "Row 7 of FILE has 7 cells, but row 1 has 6 headings; correct row 7."),
    ],
)
def test_every_fault_names_its_row_of_the_sheet(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    text = PLAIN.replace('"touché, 100 %"', '"two\r\nlines"').replace("\r\n01", "\r\n,,,,,\r\n\r\n01", 1)
    with pytest.raises((SummaryError, DatasetError)) as caught:
        counted_text(tmp_path, text.replace(old, new))
    message = str(caught.value).replace(str(tmp_path / "t.csv"), "FILE")
    assert message.startswith(sentence)
    assert "\n" not in message


def test_faults_of_several_rows_name_them(tmp_path: Path) -> None:
    with pytest.raises(SummaryError, match=r"keep one of its rows \(rows 2 and 4\)\.$"):
        counted_text(tmp_path, FLOATS.replace("106.0", "101.0"))
    with pytest.raises(SummaryError, match=r"name the earlier one in supersedes \(rows 3 and 4\)\.$"):
        counted_text(tmp_path, FLOATS.replace("105.0", "NA"))
    with pytest.raises(SummaryError, match=r"an answer of the same annotator \(row 4\)\.$"):
        counted_text(tmp_path, FLOATS.replace("105.0", "101.0"))
    with pytest.raises(SummaryError, match=r"correct one of these rows \(row 4\)\.$"):
        counted_text(tmp_path, FLOATS.replace("105.0", "106"))
    with pytest.raises(SummaryError, match=r"^Row 6 has '4\.5' as layer; it must be a whole number from 0\.$"):
        counted_text(tmp_path, FLOATS.replace("108,m,4", "108,m,4.5"))
    with pytest.raises(SummaryError, match=r"^Row 6 has 'maybe' as stale; it must be true, false or blank\.$"):
        counted_text(tmp_path, FLOATS.replace("yes", "maybe"))


@pytest.mark.parametrize("title", ["Judgments of the pilot,,,,,\r\n", "Judgments of the pilot\r\n", '"a;b"\r\n,,\r\n'])
def test_a_title_above_the_headings_is_named(tmp_path: Path, title: str) -> None:
    row = 1 + title.count("\n")
    with pytest.raises(
        DatasetError, match=rf"^Row 1 of .* is '.*', and the headings are in row {row}; delete the rows"
    ):
        counted_text(tmp_path, title + PLAIN)
    below = frame().T.reset_index().T.reset_index(drop=True)  # the headings are the first row of cells
    below.set_axis(["Pilot\x1b", *(f"Unnamed: {n}" for n in range(1, 6))], axis=1).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DatasetError, match=r"^Row 1 of .* is 'Pilot\\x1b', and the headings are in row 2; delete"):
        counted(tmp_path / "t.parquet")


def test_a_known_column_may_be_there_once(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has a column twice: item"):
        counted_text(tmp_path, PLAIN.replace("comment", "Item"))
    twice = PLAIN.replace("comment", "note").replace("\r\n", ",x\r\n").replace("note,x", "note,note")
    assert answers(counted_text(tmp_path, twice)) == EXPECTED


def test_another_encoding_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"is not in UTF-8 \(see row 3\); save it again as UTF-8\.$"):
        counted_text(tmp_path, PLAIN, encoding="cp1252")
    with pytest.raises(DatasetError, match=r"is not in UTF-8; save it again as UTF-8\.$"):
        counted_text(tmp_path, '["é"]', "t.json", "cp1252")


LABEL_STUDIO_TASK = {
    "id": 1,
    "data": {"text": "x"},
    "annotations": [
        {
            "id": 7,
            "completed_by": 2,
            "result": [
                {"from_name": "presence", "to_name": "text", "type": "choices", "value": {"choices": ["absent_none"]}}
            ],
        }
    ],
}
LABEL_STUDIO_ROW = {"id": 1, "text": "x", "presence": "absent_none", "annotator": 2, "annotation_id": 7}
POTATO_ROW = {"id": "1", "displayed_text": "x", "label_annotations": {"presence": {"absent_none": "true"}}}
ARGILLA_RECORD = {
    "id": "1",
    "fields": {"text": "x"},
    "suggestions": {},
    "responses": {"presence": [{"value": "absent_none", "user_id": "u"}]},
}
ARGILLA_ROW = {"id": "1", "text": "x", "presence.responses": ["absent_none"], "presence.responses.users": ["u"]}
PRODIGY_ROW = {"text": "x", "_input_hash": 1, "_task_hash": 2, "accept": ["absent_none"], "answer": "accept"}


def as_csv(*rows: dict[str, object]) -> str:
    return text_of([list(rows[0]), *([str(cell) for cell in row.values()] for row in rows)])


@pytest.mark.parametrize(
    ("name", "content", "program"),
    [
        ("t.json", json.dumps([LABEL_STUDIO_TASK]), "Label Studio"),
        ("t.json", json.dumps([LABEL_STUDIO_ROW]), "Label Studio"),
        ("t.csv", as_csv(LABEL_STUDIO_ROW), "Label Studio"),
        ("t.jsonl", json.dumps(POTATO_ROW), "Potato"),
        ("t.json", json.dumps({"user_id": "ana", "instance_id_ordering": ["1"]}), "Potato"),
        ("t.tsv", "user\tinstance_id\tpresence:::absent_none\nana\t1\ttrue\n", "Potato"),
        ("t.json", json.dumps([ARGILLA_RECORD]), "Argilla"),
        ("t.jsonl", json.dumps(ARGILLA_ROW), "Argilla"),
        ("t.jsonl", json.dumps(PRODIGY_ROW), "Prodigy"),
        ("t.csv", as_csv({"HITId": "h", "WorkerId": "w", "Answer.presence": "absent_none"}), "Mechanical Turk"),
    ],
)
def test_exports_of_annotation_programs_are_refused_with_an_example(
    tmp_path: Path, name: str, content: str, program: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        counted_text(tmp_path, content, name)
    assert str(caught.value) == (
        f"{tmp_path / name} looks like an export of {program}, which cannot be read as it is; give a table with one "
        "row for each item and annotator, such as item,annotator,presence,precision,category in the first row and "
        "17,ana,present_described,accurate,semantic in the next."
    )


def test_argillas_dataset_in_parquet_is_refused_too(tmp_path: Path) -> None:
    pd.DataFrame([ARGILLA_ROW]).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DatasetError, match="looks like an export of Argilla"):
        counted(tmp_path / "t.parquet")


def test_an_export_that_has_all_columns_is_read(tmp_path: Path) -> None:
    rows = [LABEL_STUDIO_ROW | {"item": 1, "precision": None, "category": None}]
    (tmp_path / "t.json").write_text(json.dumps(rows), encoding="utf-8")
    assert answers(counted(tmp_path / "t.json")) == [["1", "2", "absent_none", None, None]]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.json", "{", "cannot be read: it is not valid JSON."),
        ("t.jsonl", '{"item": 1}\n{', "cannot be read: it is not valid JSON in line 2."),
        ("t.json", "[" * 100_000, "cannot be read: it is not valid JSON."),
        ("t.json", "[]", "is empty."),
        ("t.jsonl", "\n", "is empty."),
        ("t.csv", ",,,\n\n", "is empty."),
        (
            "t.csv",
            'item,annotator\n1,"a\n',
            "cannot be read: unexpected end of data in row 2; look there for a quotation",
        ),
    ],
)
def test_faults_of_a_file_are_one_sentence(tmp_path: Path, name: str, content: str, sentence: str) -> None:
    with pytest.raises(DatasetError) as caught:
        counted_text(tmp_path, content, name)
    assert str(caught.value).startswith(f"{tmp_path / name} {sentence}")
    assert "\n" not in str(caught.value)


def test_json_without_objects_is_refused_with_an_example(tmp_path: Path) -> None:
    for name, content, place in (("t.json", '[{"item": 1}, 3]', "Entry 2"), ("t.jsonl", "[1]", "Line 1")):
        with pytest.raises(DatasetError, match=rf"^{place} of .* is not an object .*; give a table with one row"):
            counted_text(tmp_path, content, name)
