"""What the terminal says of failures: the most frequent reasons, the exit status, and the failure of one head."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

import maps
from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.describers.describe_atlas import describe_atlas
from maps.describers.failure_reasons import reason_lines
from maps.errors import ReplyError
from maps.types import Answer, Description
from tests import chat_server
from tests.chat_server import Behaviour, completion_response, serve_chat
from tests.scripted import ScriptedDescriber

HEADING = "Why it failed, the most frequent reason first:"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], atlas_folder: Path) -> Run:
    """Runs `describe` or `score` with a model on a server; returns the exit status and the output."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")

    def run_command(name: str, url: str, *options: str) -> tuple[int, str, str]:
        role = "--scorer" if name == "score" else "--describer"
        more = ["--no-random"] if name == "score" else []
        status = main([name, str(atlas_folder), role, "some-model", "--base-url", url, *more, *options])
        return status, *capsys.readouterr()

    return run_command


class Failing:
    """Questions about the first `count` prompts get this behaviour, the others a good reply."""

    def __init__(self, count: int, failure: Behaviour, good: Behaviour = chat_server.good_reply) -> None:
        self.count, self.failure, self.good = count, failure, good
        self.prompts: list[str] = []

    def __call__(self, body: dict[str, Any]) -> Response:
        prompt = body["messages"][0]["content"]
        if prompt not in self.prompts:
            self.prompts.append(prompt)
        return self.failure(body) if self.prompts.index(prompt) < self.count else self.good(body)


def named_items(_body: dict[str, Any]) -> Response:
    return completion_response('{"belongs": [1]}')


def describe_all(folder: Path) -> None:
    answers = [Answer(Description("Words.", f"Pattern {n}.", ""), "scripted") for n in range(8)]
    describe_atlas(folder, ScriptedDescriber(answers))


def test_reasons_are_counted_by_kind() -> None:
    reasons = [
        *["The reply is empty."] * 2,
        *["The reply is not a JSON object: A.", *["The reply is not a JSON object: B\x1b[2J."] * 2],
        "The reply has 1,000 characters; at most 100 are read.",
        "The reply has 2,000 characters; at most 100 are read.",
        "host answered with status 500: x",
        "host answered with status 500: x",
        "The reply is a refusal: No.",
    ]
    assert reason_lines(reasons) == [
        HEADING,
        r"  3 × for example: The reply is not a JSON object: B\u001B[2J.",
        "  2 × The reply is empty.",
        "  2 × for example: The reply has 1,000 characters; at most 100 are read.",
        "  3 × other reasons",
    ]
    assert reason_lines([]) == []


@pytest.mark.parametrize("batch", [[], ["--batch"]])
@pytest.mark.parametrize(("failing", "status"), [(0, 0), (4, 0), (5, 1), (7, 1)])
def test_describe_says_why_heads_failed_and_ends_with_1_where_most_did(
    failing: int, status: int, batch: list[str], run: Run
) -> None:
    with serve_chat(Failing(failing, chat_server.refused_reply)) as server:
        ended, out, err = run("describe", server.url, "--concurrency", "1", *batch)
    lines = f"{HEADING}\n  {failing} × The reply is a refusal: I can't help with that.\n"
    assert (ended, lines in out, HEADING in out) == (status, failing > 0, failing > 0)
    failed = f" and failed on {failing} (see failures.parquet)" if failing else ""
    assert f"some-model described {pluralized(8 - failing)} now{failed}.\n" in out
    assert ("some-model failed on more heads than it described; the reasons are in " in err) is (status == 1)


def pluralized(heads: int) -> str:
    return "1 head" if heads == 1 else f"{heads} heads"


def test_describe_ends_with_1_where_the_only_head_that_is_left_fails(run: Run) -> None:
    with serve_chat(Failing(1, chat_server.refused_reply)) as server:
        assert run("describe", server.url, "--concurrency", "1")[0] == 0
    with serve_chat(chat_server.malformed_reply) as server:
        status, out, err = run("describe", server.url)
    assert (status, "some-model described none of 1 head; the reasons are in " in err) == (1, True)
    assert f"{HEADING}\n  1 × The reply is not a JSON object: The first letter, it seems.\n" in out
    assert "refusal" not in out  # a failure of the run before


def test_a_run_that_stops_early_says_why_heads_failed_before(run: Run) -> None:
    script = [*[chat_server.refused_reply] * 3, chat_server.no_credit_error]
    with serve_chat(*script) as server:
        status, out, err = run("describe", server.url, "--concurrency", "1")
    assert (status, "has no quota left" in err) == (2, True)
    assert f"{HEADING}\n  1 × The reply is a refusal: I can't help with that.\n" in out


@pytest.mark.parametrize(("failing", "status"), [(0, 0), (8, 0), (9, 1), (16, 1)])
def test_score_says_why_questions_failed_and_ends_with_1_where_most_did(
    failing: int, status: int, run: Run, atlas_folder: Path
) -> None:
    describe_all(atlas_folder)
    with serve_chat(Failing(failing, chat_server.refused_reply, named_items)) as server:
        ended, out, err = run("score", server.url, "--concurrency", "1")
    assert (ended, f"  {failing} × The reply is a refusal: " in out) == (status, failing > 0), err
    assert ("Scores: " in out) is (failing < 16)
    assert ("some-model left more questions without a usable answer than it answered" in err) is (failing == 9)


def test_show_says_the_failure_of_a_head(atlas_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = [ReplyError("The reply is empty.\x1b[2J")] * 3
    good = [Answer(Description("Words.", f"Pattern {n}.", ""), "scripted") for n in range(8)]
    describe_atlas(atlas_folder, ScriptedDescriber([*failed, *good[1:]], "first"))
    describe_atlas(atlas_folder, ScriptedDescriber(good, "second"))
    describe_atlas(atlas_folder, ScriptedDescriber([*failed, *good[1:]], "second"), redo=True)
    today = datetime.now(UTC).date().isoformat()
    reason = rf"(asked 3 times, last on {today}): The reply is empty.\u001B[2J"
    lines = [f"first failed {reason}", f"second failed when it was asked again {reason}"]
    assert main(["show", str(atlas_folder), "L0H0"]) == 0
    assert [line for line in capsys.readouterr().out.split("\n") if "failed" in line] == lines
    assert "failed" not in maps.show(Atlas.open(atlas_folder), "L0H1")
    describe_atlas(atlas_folder, ScriptedDescriber(good[:1], "first"))  # described since
    assert "first failed" not in maps.show(Atlas.open(atlas_folder), "L0H0")


def test_reasons_on_the_terminal_are_those_of_the_model_that_was_asked(run: Run, atlas_folder: Path) -> None:
    describe_atlas(atlas_folder, ScriptedDescriber([ReplyError("Other.")] * 24, "other"))
    with serve_chat(lambda _body: completion_response(json.dumps({"Reasoning": ""}))) as server:
        status, out, _ = run("describe", server.url)
    assert (status, "Other." in out) == (1, False)
    assert f"{HEADING}\n  8 × The reply lacks Input strings, Observed pattern.\n" in out
