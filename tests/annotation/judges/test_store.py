"""The file of judges' answers: whole after a kill, and damage is said."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from annotation.judges.store import judge_answers, judges_of, open_writer, read_rows
from annotation.types import StudyItem
from maps.errors import MapsError

ITEM = StudyItem("pilot", "m", 1, 2, "swapped", "h", "d")
ANSWER = {"presence": "absent_none", "precision": None, "category": None, "comment": "No."}
TIME = "2026-12-01T10:00:00+00:00"


def row(judge: str = "one", **changes: object) -> dict[str, object]:
    return {**asdict(ITEM), "judge": judge, "prompt_hash": "p", "seed": 0, **ANSWER, "created_at": TIME, **changes}


def test_rows_come_back_and_the_newest_answer_counts(tmp_path: Path) -> None:
    file = tmp_path / "judges" / "pilot.jsonl"
    assert read_rows(file) == []
    with open_writer(file) as store:
        for each in (row(), row("two", presence=None, reason="No."), row(presence="absent_described")):
            store(each)
    rows = read_rows(file)
    assert judges_of(rows) == ["one"]
    [judgment] = judge_answers(rows, "one")
    assert (judgment.presence, judgment.annotator, judgment.item) == ("absent_described", "model:one", ITEM)
    assert judge_answers(rows, "two") == []


def test_a_line_that_was_cut_off_is_left_out_and_taken_away(tmp_path: Path) -> None:
    file = tmp_path / "pilot.jsonl"
    with open_writer(file) as store:
        store(row())
    whole = file.read_bytes()
    file.write_bytes(whole + '{"study": "é'.encode()[:-1])  # in the middle of a letter
    assert len(read_rows(file)) == 1
    with open_writer(file):
        assert file.read_bytes() == whole


@pytest.mark.parametrize("line", ["no json", "[]", '{"judge": "one"}'])
def test_a_damaged_line_is_said(tmp_path: Path, line: str) -> None:
    file = tmp_path / "pilot.jsonl"
    file.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(MapsError, match="is damaged"):
        read_rows(file)
