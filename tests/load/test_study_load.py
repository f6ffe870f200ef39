"""Many annotators at once through the running app, and the app killed under them: every receipt's row, exactly once."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from annotation import form
from annotation.form import Answers
from annotation.types import Judgment, StudyItem
from benchmarks import study_submit
from benchmarks.study_app import ROOT
from benchmarks.study_load import ANSWERS, FULL_LOAD, QUICK_LOAD, RESULTS, run_load
from benchmarks.study_receipts import Load, LoadResult, SubmitReceipt


@pytest.mark.process
def test_annotators_at_once_get_what_was_promised_though_the_app_is_killed() -> None:
    found = run_load(QUICK_LOAD, kills=1)
    assert found.problems(QUICK_LOAD) == []
    assert (found.kills, len(found.receipts)) == (1, QUICK_LOAD.items * QUICK_LOAD.per_item)
    assert found.retry_count > 0


@pytest.mark.process
def test_one_at_a_time_the_study_is_filled_too() -> None:
    command = [sys.executable, "-m", "benchmarks.study_submit", "--quick"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    submits = QUICK_LOAD.items * QUICK_LOAD.per_item
    lasts = [line for line in printed if f" to {submits}: " in line]
    assert [line.partition(",")[0] for line in lasts] == ["in process", "over HTTP"]
    assert list(study_submit.summary_lines("here", [0.001] * 9))[-1] == "here, submits 9 to 9: 1.0 ms, mean 1.0 ms"


@pytest.mark.long
def test_32_annotators_at_once_get_what_was_promised() -> None:
    found = run_load(FULL_LOAD)
    print(json.dumps(found.measurements()))
    assert found.problems(FULL_LOAD) == []
    assert (len(found.rows), found.retry_count) == (3200, 0)


@pytest.mark.long
def test_20_times_killed_the_app_loses_and_doubles_nothing() -> None:
    found = run_load(FULL_LOAD, kills=20)
    print(json.dumps(found.measurements()))
    assert found.problems(FULL_LOAD) == []
    assert (len(found.rows), found.kills) == (3200, 20)
    assert found.retry_count > 0


def test_the_kept_measurement_is_of_the_full_load() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert Load(**kept["load"]) == FULL_LOAD
    assert [(kept[name]["submits"], kept[name]["kills"]) for name in ("steady", "killed")] == [(3200, 0), (3200, 20)]


def test_the_answers_of_the_crowd_are_whole() -> None:
    found = [
        form.answer_problems(Answers(presence, precision, category, "")) for presence, precision, category in ANSWERS
    ]
    assert found == [[]] * len(ANSWERS)


TINY = Load(people=2, each=1, heads=1, controls=0, per_item=2)


def row(number: int) -> Judgment:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    item = StudyItem("load", "model", 0, 0, "head", "mappings", "description")
    return form.build_judgment(
        item,
        Answers("absent_none", None, None, f"of {number}"),
        judgment_id=f"{number:032x}",
        annotator=f"a-{number}",
        started_at=moment,
        submitted_at=moment,
        supersedes=None,
        app_version="1",
    )


ROWS = (row(1), row(2))
FINE = LoadResult(
    [SubmitReceipt(each.judgment_id, each.comment, 0.1, False) for each in ROWS],
    ROWS,
    [],
    kills=0,
    retry_count=0,
    seconds=1,
)


def test_what_is_as_promised_is_not_found_wrong() -> None:
    assert FINE.problems(TINY) == []


@pytest.mark.parametrize(
    ("broken", "sentences"),
    [
        (replace(FINE, rows=ROWS[:1]), ["2 was acknowledged and is there 0 times.", "has 1 judgments."]),
        (replace(FINE, receipts=FINE.receipts[:1]), ["2 is there and nobody was told."]),
        (replace(FINE, receipts=[*FINE.receipts, FINE.receipts[0]]), ["1 was acknowledged 2 times."]),
        (
            replace(FINE, rows=(ROWS[0], replace(ROWS[1], comment="else"))),
            ["2 holds something else than what was sent."],
        ),
        (
            replace(FINE, rows=(ROWS[0], replace(ROWS[1], annotator="a-1"))),
            ["('a-1', 0, 0) was judged 2 times by one person."],
        ),
        (replace(FINE, rows=(*ROWS, row(3))), ["3 is there and nobody was told.", "has 3 judgments."]),
        (replace(FINE, receipts=(), rows=()), ["1 items have no judgment."]),
        (replace(FINE, refusals=["Annotator 1: no"]), ["Annotator 1: no"]),
    ],
)
def test_whatever_is_not_as_promised_is_found(broken: LoadResult, sentences: list[str]) -> None:
    wrong = broken.problems(TINY)
    assert len(wrong) == len(sentences)
    assert all(found.endswith(sentence) for found, sentence in zip(wrong, sentences, strict=True))
