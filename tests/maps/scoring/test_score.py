"""`score` against a real server: scores of scorers with known skill, stored rows, cost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from maps.__main__ import main
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import Row, make_table
from maps.describers.describe_atlas import describe_atlas
from maps.text import quote_for_prompt
from maps.types import Answer, Description, HeadId
from tests import chat_server
from tests.chat_server import Behaviour
from tests.scripted import ScriptedDescriber

Capture = pytest.CaptureFixture[str]
SCORER = "some-model"


def with_descriptions(folder: Path, unclear: int = 0) -> Path:
    """The atlas with descriptions that give away the name of their head; the last ones see no pattern."""
    heads = Atlas.open(folder).head_ids
    patterns = [f"Secret {head}." for head in heads[: len(heads) - unclear]] + ["Unclear."] * unclear
    answers = [Answer(Description("Words.", pattern, ""), "scripted") for pattern in patterns]
    describe_atlas(folder, ScriptedDescriber(answers, "secret"))
    return folder


def scorer(named_items: Callable[[str, list[str]], list[int]]) -> Behaviour:
    """A scorer that names the items that a function of the described head and the item lines returns."""

    def behaviour(body: dict[str, Any]) -> Response:
        text = body["messages"][0]["content"]
        [head] = re.findall(r"Secret (L\d+H\d+)", text)
        lines = [line.partition(". ")[2] for line in text.split("\n")[-20:]]
        return chat_server.completion_response(json.dumps({"belongs": named_items(head, lines)}))

    return behaviour


def perfect_scorer(folder: Path) -> Behaviour:
    atlas = Atlas.open(folder)
    known = {
        str(head): {f"{quote_for_prompt(m.source)}: {', '.join(map(quote_for_prompt, m.targets))}" for m in mappings}
        for head, mappings in atlas.mappings_by_head("heldout").items()
    }
    return scorer(lambda head, lines: [n for n, line in enumerate(lines, start=1) if line in known[head]])


def score(folder: Path, url: str, *more: str) -> int:
    return main(["score", str(folder), "--scorer", SCORER, "--base-url", url, "--no-random", *more])


def rows(folder: Path, name: str = "scores") -> list[Row]:
    return Atlas.open(folder).table(name).to_pylist()


def test_a_perfect_scorer_is_right_and_its_control_is_chance(atlas_folder: Path, capsys: Capture) -> None:
    folder = with_descriptions(atlas_folder, unclear=1)
    with chat_server.serve_chat(perfect_scorer(folder)) as server:
        assert score(folder, server.url) == 0
    scores = rows(folder)
    assert [HeadId(row["layer"], row["head"]) for row in scores] == list(Atlas.open(folder).head_ids[:7])
    assert {(row["detection"], row["detection_swapped"], row["n"], row["reason"]) for row in scores} == {
        (1.0, 0.5, 20, None)
    }
    assert {(round(row["detection_low"], 4), row["detection_high"]) for row in scores} == {(0.8038, 1.0)}
    assert {row["description_id"] for row in scores} < {row["description_id"] for row in rows(folder, "descriptions")}
    assert {(row["scorer"], row["describer"], row["seed"]) for row in scores} == {(SCORER, "secret", 0)}
    assert len(server.request_bodies) == 14
    printed = capsys.readouterr().out
    assert (
        "To be scored: 7 descriptions with 14 questions. 1 description without a pattern, so there is nothing to score."
        in printed
    )
    assert f"{SCORER} was asked 14 questions now.\n" in printed
    assert "balanced accuracy 1.00 (mean of 7 heads, 95 % interval 1.00 to 1.00); from another head's" in printed


def test_look_alikes_are_mappings_of_the_most_similar_heads(atlas_folder: Path, capsys: Capture) -> None:
    folder = with_descriptions(atlas_folder)
    first, twin = HeadId(0, 0), HeadId(1, 3)
    sources = {mapping.rank: mapping.source_id for mapping in Atlas.open(folder).mappings(first)}
    alike = [
        {**row, "source_id": sources[row["rank"]]} if (row["layer"], row["head"]) == twin else row
        for row in rows(folder, "mappings")
    ]  # the twin gets the sources of the first head
    write_table(folder, "mappings", make_table("mappings", alike))
    with chat_server.serve_chat(perfect_scorer(folder)) as server:
        assert score(folder, server.url, "--look-alikes", "--heads", "L0H0") == 0
        texts = [body["messages"][0]["content"] for body in server.request_bodies]
    of_twin = {quote_for_prompt(mapping.source) for mapping in Atlas.open(folder).mappings(twin, "heldout")}
    lines = {line.partition(". ")[2] for text in texts for line in text.split("\n")[-20:]}
    assert any(line.partition(": ")[0] in of_twin for line in lines)
    [row] = rows(folder)
    assert (row["detection"], row["detection_swapped"], row["lookalike"]) == (1.0, 0.5, 1.0)
    assert sorted(row["decoys"] for row in rows(folder, "detections")) == ["layer", "layer", "similar"]
    assert "; among mappings of similar heads: balanced accuracy 1.00 (mean of 1 head); " in capsys.readouterr().out


@pytest.mark.parametrize("named", [[], list(range(1, 21)), [0]])
def test_a_scorer_that_always_gives_the_same_answer_is_at_chance(named: list[int], atlas_folder: Path) -> None:
    folder = with_descriptions(atlas_folder)
    half = named == [0]  # names every second line
    constant_scorer = scorer(lambda _head, lines: list(range(1, len(lines) + 1, 2)) if half else named)
    with chat_server.serve_chat(constant_scorer) as server:
        assert score(folder, server.url) == 0
    values = [row["detection"] for row in rows(folder)]
    if half:
        assert 0.3 < sum(values) / len(values) < 0.7
    else:
        assert set(values) == {0.5}
        assert {row["detection_swapped"] for row in rows(folder)} == {0.5}


@pytest.mark.slow
def test_questions_are_blind_seeded_and_have_a_schema(atlas_folder: Path) -> None:
    folder = with_descriptions(atlas_folder)
    with chat_server.serve_chat(perfect_scorer(folder)) as server:
        assert score(folder, server.url, "--concurrency", "1") == 0
        first, server.request_bodies = server.request_bodies, []
        assert score(folder, server.url, "--concurrency", "1") == 0
        assert server.request_bodies == []
        assert score(folder, server.url, "--concurrency", "1", "--seed", "1") == 0
    own, swapped = (body["messages"][0]["content"] for body in first[:2])
    assert own.split("\n")[-20:] == swapped.split("\n")[-20:]  # the same items
    assert own != swapped
    assert re.findall(r"L\d+H\d+", own) == ["L0H0"]  # from the description itself
    atlas = Atlas.open(folder)
    saliences = [f"{m.saliency:.4f}" for m in atlas.mappings(HeadId(0, 0), "heldout")]
    assert [value for value in saliences if value in own] == []
    assert {body["response_format"]["type"] for body in first} == {"json_schema"}
    assert {body["seed"] for body in first} == {0}
    prompts = [{body["messages"][0]["content"] for body in bodies} for bodies in (first, server.request_bodies)]
    assert not prompts[0] & prompts[1]
    assert Counter(row["seed"] for row in rows(folder)) == {0: 8, 1: 8}


@pytest.mark.slow
def test_a_failed_question_is_stored_and_asked_again_by_the_next_run(atlas_folder: Path, capsys: Capture) -> None:
    folder = with_descriptions(atlas_folder)
    answer = perfect_scorer(folder)
    refused = [chat_server.refused_reply] * 3  # of the first head's own description, with three seeds
    with chat_server.serve_chat(*refused, chat_server.malformed_reply, answer) as server:
        assert score(folder, server.url, "--concurrency", "1") == 0
        assert [body["seed"] for body in server.request_bodies[:5]] == [0, 1, 2, 0, 1]
        assert len(server.request_bodies) == 3 + 1 + 15
        assert "was asked 16 questions now, 1 without a usable answer" in capsys.readouterr().out
        failed, *others = rows(folder)
        assert (failed["detection"], failed["detection_swapped"], failed["n"]) == (None, 0.5, None)
        assert failed["reason"] == "The reply is a refusal: I can't help with that."
        assert {row["detection"] for row in others} == {1.0}
        assert score(folder, server.url) == 0
        assert len(server.request_bodies) == 3 + 1 + 15 + 1
    assert {(row["detection"], row["reason"]) for row in rows(folder)} == {(1.0, None)}
    assert len(rows(folder, "detections")) == 17


@pytest.mark.process
def test_a_killed_run_continues_and_nothing_is_asked_twice(atlas_folder: Path) -> None:
    folder = with_descriptions(atlas_folder)
    answer = perfect_scorer(folder)

    def slowly(body: dict[str, Any]) -> Response:
        time.sleep(0.1)
        return answer(body)

    with chat_server.serve_chat(slowly) as server:
        command = [sys.executable, "-m", "maps", "score", str(folder), "--scorer", SCORER, "--base-url", server.url]
        command += ["--no-random", "--concurrency", "1"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            log = folder / "detections.pending.jsonl"
            while not (log.exists() and log.read_bytes().count(b"\n") >= 5):
                assert run.poll() is None
                time.sleep(0.02)
            os.kill(run.pid, signal.SIGKILL)
        assert 5 <= log.read_bytes().count(b"\n") < 16
        assert score(folder, server.url) == 0
    prompts = Counter(body["messages"][0]["content"] for body in server.request_bodies)
    assert len(prompts) == 16
    assert sum(prompts.values()) <= 17  # the question that was open when the run was killed
    assert {(row["detection"], row["detection_swapped"]) for row in rows(folder)} == {(1.0, 0.5)}
    assert len(rows(folder, "detections")) == 16
    assert not log.exists()


@pytest.mark.slow
def test_stale_descriptions_and_those_of_other_describers_are_left_out(atlas_folder: Path, capsys: Capture) -> None:
    folder = with_descriptions(atlas_folder)
    other = [Answer(Description("Words.", f"Secret {head}.", ""), "s") for head in Atlas.open(folder).head_ids]
    describe_atlas(folder, ScriptedDescriber(other, "other"))
    with chat_server.serve_chat(perfect_scorer(folder)) as server:
        assert score(folder, server.url, "--describer", "other") == 0
        assert {row["describer"] for row in rows(folder)} == {"other"}
        capsys.readouterr()
        assert score(folder, server.url, "--describer", "nobody") == 2
        message = f"{folder} contains no descriptions by nobody: run `python -m maps describe` first.\n"
        assert capsys.readouterr().err == message
        assert score(folder, server.url) == 0
    assert Counter(row["describer"] for row in rows(folder)) == {"other": 8, "secret": 8}


@pytest.mark.slow
def test_scores_of_stale_descriptions_are_not_printed_and_a_run_without_questions_names_no_file(
    atlas_folder: Path, capsys: Capture
) -> None:
    folder = with_descriptions(atlas_folder)
    with chat_server.serve_chat(perfect_scorer(folder)) as server:
        assert score(folder, server.url) == 0
        for heads in ((0,), (0, 1, 2, 3)):
            mappings = Atlas.open(folder).table("mappings").to_pylist()
            changed = [{**row, "source_id": 0} if row["head"] in heads else row for row in mappings]
            write_table(folder, "mappings", make_table("mappings", changed))
            capsys.readouterr()
            assert score(folder, server.url) == 0
            printed = capsys.readouterr().out
            if heads == (0,):
                assert "(mean of 6 heads, " in printed
    assert printed.endswith(
        "To be scored: 0 descriptions with 0 questions. 8 descriptions of mappings that have changed since.\n"
        f"There is nothing to ask {SCORER}.\n"
    )


def test_a_run_without_any_answer_fails(atlas_folder: Path, capsys: Capture) -> None:
    folder = with_descriptions(atlas_folder)
    with chat_server.serve_chat(chat_server.too_long_error) as server:
        assert score(folder, server.url) == 1
    message = f"{SCORER} answered none of 16 questions; the reasons are in {folder}/detections.parquet."
    assert capsys.readouterr().err.splitlines()[-1] == message


@pytest.mark.parametrize("option", ["--describer", "--base-url", "--max-cost", "--max-tokens", "--prices"])
def test_options_of_the_scorer_need_one(option: str, atlas_folder: Path, capsys: Capture) -> None:
    assert main(["score", str(atlas_folder), "--no-random", option, "7"]) == 2
    message = f"{option} needs a scorer: name one with --scorer MODEL, or leave it out.\n"
    assert capsys.readouterr() == ("", message)
    assert not (atlas_folder / "checks.parquet").exists()


def test_an_empty_scorer_name_is_refused_and_a_hostile_describer_name_is_escaped(
    atlas_folder: Path, capsys: Capture
) -> None:
    folder = with_descriptions(atlas_folder)
    with pytest.raises(SystemExit):
        main(["score", str(folder), "--scorer", ""])
    assert capsys.readouterr().err.endswith("argument --scorer: the name of the model is empty\n")
    descriptions = [{**row, "describer": "de\x1b[2J"} for row in rows(folder, "descriptions")]
    write_table(folder, "descriptions", make_table("descriptions", descriptions))
    with chat_server.serve_chat(perfect_scorer(folder)) as server:
        assert score(folder, server.url) == 0
    printed = capsys.readouterr().out
    assert r"descriptions by de\u001B[2J: " in printed
    assert "\x1b" not in printed


def test_a_cost_limit_ends_the_run_and_a_higher_one_continues_it(
    atlas_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder, prices = with_descriptions(atlas_folder), tmp_path / "prices.json"
    prices.write_text(json.dumps({"date": "2026-11-24", "models": {SCORER: {"input": 2.5, "output": 10}}}))
    with chat_server.serve_chat(perfect_scorer(folder)) as server:
        options = ["--prices", str(prices), "--concurrency", "2"]
        assert score(folder, server.url, *options, "--max-cost", "0.02") == 2
        printed = capsys.readouterr()
        assert printed.err.split("\n")[-2].startswith("Stopped because the next question could take the cost over")
        asked = len(server.request_bodies)
        assert 0 < asked < 16
        assert score(folder, server.url, *options, "--max-cost", "2") == 0
        assert len(server.request_bodies) == 16
    detections = rows(folder, "detections")
    costs = [row["cost_usd"] for row in detections]
    assert costs == pytest.approx([(700 * 2.5 + 60 * 10) / 1e6] * 16)
    assert sum(costs[:asked]) <= 0.02


def test_without_a_scorer_it_measures_offline_and_says_so(atlas_folder: Path, capsys: Capture) -> None:
    assert main(["score", str(atlas_folder), "--random", "2"]) == 0
    printed = capsys.readouterr().out.split("\n")
    assert re.fullmatch(
        rf"A named check is supported by 20 .* in \d of 8 heads: {atlas_folder}/checks\.parquet", printed[0]
    )
    assert re.fullmatch(r"The targets of 8 heads were measured; \d are more concentrated than .*parquet", printed[1])
    assert printed[2] == ("To have a language model check the descriptions too, add --scorer MODEL.")
    assert len(rows(atlas_folder, "random_heads")) == 4
    assert not (atlas_folder / "scores.parquet").exists()


@pytest.mark.slow
def test_random_heads_are_left_out_if_the_model_has_moved_unless_its_place_is_given(
    atlas_folder: Path, small_model: Path, capsys: Capture
) -> None:
    info = json.loads((atlas_folder / "atlas.json").read_text())
    (atlas_folder / "atlas.json").write_text(json.dumps(info | {"asked_for": "/moved/away"}))
    assert main(["score", str(atlas_folder)]) == 0
    notice = "No random heads were drawn, because the model cannot be read; name it with --model. "
    assert notice in capsys.readouterr().out
    assert {row["random_heads"] for row in rows(atlas_folder, "concentration")} == {0}
    assert main(["score", str(atlas_folder), "--random", "1", "--model", str(small_model)]) == 0
    assert {row["random_heads"] for row in rows(atlas_folder, "concentration")} == {1}
    assert main(["score", str(atlas_folder), "--model", "/not/here"]) == 2


def test_errors_are_one_sentence_without_the_key(
    atlas_folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    folder = with_descriptions(atlas_folder)
    capsys.readouterr()
    assert main(["score", str(folder), "--scorer", "gpt-4o", "--no-random"]) == 2
    printed = capsys.readouterr()
    assert printed == (
        "",
        "gpt-4o needs a key: set OPENAI_API_KEY (in Python: api_key), or leave out the scorer: the offline measures "
        "need no key.\n",
    )
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with chat_server.serve_chat(chat_server.bad_key_error) as server:
        assert score(folder, server.url) == 2
        printed = capsys.readouterr()
    assert "rejected the API key: set a valid OPENAI_API_KEY, or leave out the scorer: the offline" in printed.err
    assert "sk-secret" not in printed.out + printed.err
    for path in folder.iterdir():
        assert b"sk-secret" not in path.read_bytes()
