"""The command `judge`, against a chat server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from annotation.__main__ import main
from annotation.form import Answers, build_judgment
from annotation.journal.journal import Journal
from annotation.judges.store import judges_file, read_rows
from annotation.study.store import load_studies
from annotation.study.study import Study
from annotation.types import CONTROL_KINDS
from tests.annotation.commands.test_commands import ATLAS
from tests.annotation.conftest import START_TIME
from tests.chat_server import ChatServer, completion_response, error_response, serve_chat

NONE_SEEN = {"reasoning": "No.", "presence": "absent_none", "precision": "not asked", "category": "not asked"}
SEEN = {"reasoning": "Yes.", "presence": "present_described", "precision": "accurate", "category": "semantic"}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study of 40 heads, which three people have judged: none sees a pattern where the description says Unclear."""
    options = ("--heads", "36", "--overlap", "0", "--swapped", "2", "--shuffled", "2", "--seed", "1")
    assert main(["study", "create", "--atlas", str(ATLAS), "--data", str(tmp_path), "--name", "pilot", *options]) == 0
    study = load_studies(tmp_path / "studies")["pilot"]
    with Journal(tmp_path / "journal.sqlite") as journal:
        for person in ("a-1", "a-2", "a-3"):
            journal.record_consent(person, "3")
            for number, item in enumerate(study.order):
                answers = Answers("absent_none", None, None, "")
                if "Unclear" not in study.contents[item.key].observed_pattern:
                    answers = Answers("present_described", "accurate", "semantic", "")
                judgment = build_judgment(
                    item,
                    answers,
                    judgment_id=f"{person}-{number}",
                    annotator=person,
                    started_at=START_TIME,
                    submitted_at=START_TIME,
                    supersedes=None,
                    app_version="",
                )
                journal.record_judgment(judgment)
    return study


def reply_as_people(body: dict[str, Any]) -> Response:
    unclear = 'Description of the pattern: "Unclear' in body["messages"][0]["content"]
    return completion_response(json.dumps(NONE_SEEN if unclear else SEEN))


@pytest.fixture
def judge() -> Iterator[ChatServer]:
    with serve_chat(reply_as_people) as chat:
        yield chat


def run(folder: Path, chat: ChatServer | None, *options: str) -> int:
    server = () if chat is None else ("--model", "wise", "--base-url", chat.url)
    return main(["judge", "pilot", "--data", str(folder), *server, *options])


@pytest.mark.process
def test_a_judge_that_answers_as_people_may_take_their_place(
    tmp_path: Path, study: Study, judge: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, judge) == 0
    shown = capsys.readouterr().out
    assert "wise judged 36 of 36 items that people judge, and 4 controls." in shown
    assert "Question one (presence): it answers as the majority of people on 100 % " in shown
    assert (
        "Alt-test with ε 0.15: it beats 3 of 3 people (winning rate 1.00, 0.5 are needed; advantage 1.00; false "
        "discovery rate 0.05), so it may take a person's place here."
    ) in shown
    assert "controls with another head's description" in shown
    assert len(judge.request_bodies) == len(study.order)
    assert run(tmp_path, judge) == 0  # nothing is asked twice
    assert "wise has judged all 40 items." in capsys.readouterr().out
    assert len(judge.request_bodies) == len(study.order)
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert {row.annotator for row in journal.all_judgments()} == {"a-1", "a-2", "a-3"}


@pytest.mark.process
def test_a_price_and_a_trial_come_before_the_rest(
    tmp_path: Path, study: Study, judge: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"date": "2026-12-01", "models": {"wise": {"input": 2.5, "output": 10}}}', encoding="utf-8")
    assert run(tmp_path, judge, "--dry-run", "--prices", str(prices)) == 0
    shown = capsys.readouterr().out
    assert "40 items" in shown
    assert "$" in shown
    assert judge.request_bodies == []
    assert run(tmp_path, judge, "--first", "5", "--prices", str(prices)) == 0
    assert len(judge.request_bodies) == 5
    assert run(tmp_path, None) == 0
    assert "The alt-test cannot be made: nobody shares 30 items" in capsys.readouterr().out
    controls = sum(item.item_kind in CONTROL_KINDS for item in study.order[:5])
    assert {row["cost_usd"] is not None for row in read_rows(judges_file(tmp_path, "pilot"))} == {True}
    assert controls <= 4


@pytest.mark.process
def test_what_fails_is_said_and_asked_again(tmp_path: Path, study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    with serve_chat(lambda _body: completion_response('{"presence": "maybe"}')) as chat:
        assert run(tmp_path, chat, "--first", "3") == 1
    captured = capsys.readouterr()
    assert "3 items got no usable answer, for example: " in captured.out
    assert "wise failed on more items than it judged; the same command asks again." in captured.err
    assert {row.get("presence") for row in read_rows(judges_file(tmp_path, study.name))} == {None}
    with serve_chat(lambda _body: error_response(401, "Incorrect API key")) as chat:
        assert run(tmp_path, chat, "--first", "3") != 0
    assert "Traceback" not in capsys.readouterr().err
    with serve_chat(reply_as_people) as chat:
        assert run(tmp_path, chat, "--first", "3") == 0
        assert len(chat.request_bodies) == 3


def test_bad_input_gets_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", "none", "--data", str(tmp_path)]) == 2
    assert "There is no study 'none'" in capsys.readouterr().err


@pytest.mark.process
def test_without_a_model_there_is_only_the_report(
    tmp_path: Path, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.name == "pilot"
    assert run(tmp_path, None) == 0
    assert capsys.readouterr().out.endswith("No language model has judged pilot yet; name one with --model.\n")
    assert run(tmp_path, None, "--dry-run") == 2
    assert "Name the language model that judges with --model." in capsys.readouterr().err
