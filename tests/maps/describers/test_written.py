"""Descriptions out of a file and questions into one: what fits is stored once, what does not is named by its row."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import maps
from maps.__main__ import main
from maps.atlas.choice import HeadChoice
from maps.atlas.reader import Atlas
from maps.describers.prompt import description_messages
from maps.describers.written import store_written, write_questions
from maps.errors import MapsError
from maps.hashes import mapping_hash
from maps.types import HeadId

ROW = {"head": "L0H1", "input_strings": "Fruits.", "observed_pattern": "Each fruit gives its colour."}


def save_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def stored(folder: Path) -> list[tuple[str, str, str]]:
    rows = Atlas.open(folder).table("descriptions").to_pylist()
    return [(f"L{row['layer']}H{row['head']}", row["describer"], row["observed_pattern"]) for row in rows]


def test_questions_come_back_as_descriptions(atlas_folder: Path, tmp_path: Path) -> None:
    atlas = Atlas.open(atlas_folder)
    assert write_questions(atlas, tmp_path / "asked.jsonl") == 8
    questions = [json.loads(line) for line in (tmp_path / "asked.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [question["head"] for question in questions] == [str(head) for head in atlas.head_ids]
    first = questions[0]
    assert first["prompt"] == description_messages(atlas.mappings(HeadId(0, 0)))[0]["content"]
    assert first["mapping_hash"] == mapping_hash(atlas.mappings(HeadId(0, 0)))
    reply = json.dumps({"Reasoning": "r", "Input strings": "Words.", "Observed pattern": "Unclear"})
    answered = [{**question, "reply": f"Sure:\n```json\n{reply}\n```"} for question in questions]
    summary = store_written(atlas_folder, save_lines(tmp_path / "answered.jsonl", answered), "a friend's model")
    assert summary == {"a friend's model": (8, 0, 0, 8)}
    assert stored(atlas_folder)[0] == ("L0H0", "a friend's model", "Unclear")


def test_questions_are_a_table_or_text_by_the_name_of_the_file(atlas_folder: Path, tmp_path: Path) -> None:
    atlas, choice = Atlas.open(atlas_folder), HeadChoice((HeadId(1, 2), HeadId(0, 3)))
    assert write_questions(atlas, tmp_path / "asked.csv", choice) == 2
    with (tmp_path / "asked.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["head"] for row in rows] == ["L0H3", "L1H2"]
    assert write_questions(atlas, tmp_path / "asked.txt", choice) == 2
    text = (tmp_path / "asked.txt").read_text(encoding="utf-8")
    assert text.startswith("===== L0H3 =====\n\nBelow are the strings")
    assert rows[1]["prompt"] in text


def test_a_description_is_stored_once_and_a_changed_one_again(atlas_folder: Path, tmp_path: Path) -> None:
    file = save_lines(tmp_path / "mine.jsonl", [{**ROW, "describer": "me", "support": 24, "reasoning": "Plain."}])
    assert store_written(atlas_folder, file)["me"] == (1, 0, 1, 1)
    assert store_written(atlas_folder, file)["me"] == (0, 0, 1, 1)
    save_lines(file, [{**ROW, "describer": "me", "support": 25}])
    assert store_written(atlas_folder, file)["me"] == (1, 0, 1, 1)
    rows = Atlas.open(atlas_folder).table("descriptions").to_pylist()
    assert [(row["support"], row["reasoning"], row["model"]) for row in rows] == [(24, "Plain.", "me"), (25, "", "me")]


def test_a_table_from_a_spreadsheet_is_read(atlas_folder: Path, tmp_path: Path) -> None:
    """With a byte order mark, names as people write them, and the apostrophe before a text that is no formula."""
    file = tmp_path / "mine.csv"
    file.write_text("\ufeffHead,Input strings,Observed pattern\r\nL1H0,Sums.,'=1+1 gives 2\r\n", encoding="utf-8")
    store_written(atlas_folder, file, "me")
    assert stored(atlas_folder) == [("L1H0", "me", "=1+1 gives 2")]


def test_a_reply_may_be_an_object_and_texts_may_hold_any_sign(atlas_folder: Path, tmp_path: Path) -> None:
    reply = {"Reasoning": "", "Input strings": "Lines\u2028and\u0085more.", "Observed pattern": "One."}
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"head": "L0H0", "reply": reply}, ensure_ascii=False) + "\r\n", encoding="utf-8")
    store_written(atlas_folder, file, "me")
    assert stored(atlas_folder) == [("L0H0", "me", "One.")]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({**ROW, "head": "L9H9"}, "the atlas has no head L9H9"),
        ({**ROW, "head": "nine"}, "nine"),
        ({"input_strings": "x", "observed_pattern": "y"}, "it names no head"),
        ({**ROW, "observed_pattern": " "}, 'it needs both input_strings and observed_pattern, a sentence or "Unclear"'),
        ({**ROW, "describer": "offline"}, "the describer's name 'offline' cannot be used"),
        ({**ROW, "describer": "reference"}, "the describer's name 'reference' cannot be used"),
        ({**ROW, "mapping_hash": "0" * 64}, "it was written for other mappings of L0H1"),
        ({**ROW, "support": 31}, "its support, 31, is no whole number from 0 to 30"),
        ({"head": "L0H1", "reply": "I cannot."}, "its reply has no description"),
        ({**ROW, "observed_pattern": "x" * 4001}, "a text has more than 4,000 characters"),
        ("no object", "it is no JSON object"),
    ],
)
def test_one_unfit_row_is_named_and_nothing_is_stored(
    row: object, fault: str, atlas_folder: Path, tmp_path: Path
) -> None:
    file = save_lines(tmp_path / "mine.jsonl", [{**ROW, "head": "L0H0"}, row])
    with pytest.raises(MapsError) as caught:
        store_written(atlas_folder, file, "me")
    message = str(caught.value)
    assert message.startswith(f"{file} has 1 row that cannot be stored, so none was. Row 2: ")
    assert fault in message
    assert "\n" not in message
    assert stored(atlas_folder) == []


def test_a_head_that_is_described_twice_and_rows_without_a_describer_are_named(
    atlas_folder: Path, tmp_path: Path
) -> None:
    file = save_lines(tmp_path / "mine.jsonl", [ROW, ROW])
    with pytest.raises(MapsError, match=r"Row 2: L0H1 is described in row 1 too\.$"):
        store_written(atlas_folder, file, "me")
    with pytest.raises(MapsError, match=r"2 rows .* Row 1: it names no describer; add a column describer, or --descr"):
        store_written(atlas_folder, file)


UNREADABLE = [("a.xlsx", b"PK"), ("a.csv", b"head\xff"), ("a.jsonl", b""), ("no.csv", None)]


@pytest.mark.parametrize(("name", "content"), UNREADABLE)
def test_other_files_are_refused(name: str, content: bytes | None, atlas_folder: Path, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MapsError, match=r"no \.csv, \.tsv or \.jsonl file|is not in UTF-8|no description|No such file"):
        store_written(atlas_folder, tmp_path / name, "me")


def test_the_command_exchanges_files(atlas_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(atlas_folder), "--to", str(tmp_path / "asked.txt"), "--layers", "1"]) == 0
    assert capsys.readouterr().out == f"The questions about 4 heads are in {tmp_path}/asked.txt.\n"
    file = save_lines(tmp_path / "mine.jsonl", [ROW])
    assert main(["describe", str(atlas_folder), "--from", str(file), "--describer", "me"]) == 0
    assert capsys.readouterr().out == (
        "me described 1 head now.\n"
        f"It sees a pattern in 1 of 1 head that it described: {atlas_folder}/descriptions.parquet\n"
    )
    for options, refusal in (
        (["--from", str(file), "--batch"], "--from asks no model: leave out --batch."),
        (["--from", str(file), "--to", "x.txt"], "--to asks no model: leave out --from."),
        (
            ["--from", str(file), "--sample", "2"],
            "--from stores every row of the file: leave out --heads, --layers and",
        ),
    ):
        assert main(["describe", str(atlas_folder), *options]) == 2
        assert capsys.readouterr().err.startswith(refusal)


def test_a_trial_describes_the_chosen_heads_and_goes_on_with_the_others(atlas_folder: Path) -> None:
    assert main(["describe", str(atlas_folder), "--describer", "offline", "--sample", "3", "--seed", "5"]) == 0
    sample = {head for head, _, _ in stored(atlas_folder)}
    assert len(sample) == 3
    assert main(["describe", str(atlas_folder), "--describer", "offline", "--sample", "3", "--seed", "5"]) == 0
    assert {head for head, _, _ in stored(atlas_folder)} == sample
    assert maps.describe(atlas_folder, heads=["L0H0", "L1H3"]).heads == len(sample | {"L0H0", "L1H3"})
    rest = maps.describe(atlas_folder)
    assert (rest.asked, rest.failed, rest.heads) == (8 - len(sample | {"L0H0", "L1H3"}), 0, 8)
    with pytest.raises(MapsError, match=r"^The atlas has no head L7H7; its heads are L0H0 to L1H3\.$"):
        maps.describe(atlas_folder, heads=["L7H7"])


def test_a_choice_of_heads_keeps_the_order_and_is_never_empty() -> None:
    every = [HeadId(layer, head) for layer in range(3) for head in range(4)]
    assert HeadChoice().select(every) == every
    assert HeadChoice(layers=(1, 1), heads=(HeadId(2, 0), HeadId(1, 3))).select(every) == [HeadId(1, 3)]
    drawn = HeadChoice(sample=5, seed=1).select(every)
    assert drawn == sorted(drawn) == HeadChoice(sample=5, seed=1).select(every)
    assert len(set(drawn)) == 5
    assert drawn != HeadChoice(sample=5, seed=2).select(every)
    with pytest.raises(MapsError, match=r"^No head of the atlas is chosen"):
        HeadChoice(layers=(7, 9)).select(every)
