"""Whole runs of `python -m maps describe` against a real server: mixed errors, kills, cost limits, batches."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

import maps
from maps.__main__ import main
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import Row, make_table
from maps.describers.describe_atlas import DescribeSummary, describe_atlas
from maps.describers.describe_in_batches import describe_in_batches
from maps.describers.openai_compatible import OpenAICompatibleDescriber
from maps.describers.prompt import description_messages
from maps.errors import DescriberError
from maps.hashes import mapping_hash
from maps.llm.budget import Budget
from maps.llm.client import Chat
from maps.llm.prices import Price
from maps.types import HeadId
from tests import chat_server
from tests.chat_server import ChatServer, MixedErrors

ROOT = Path(__file__).parents[3]
SEED = ROOT / "space" / "seed" / "smollm2"
KEY = "sk-secret"
PRICES = {"date": "2026-11-01", "models": {"some-model": {"input": 2.5, "output": 10, "batch": 0.5}}}
RunCommand = Callable[..., tuple[int, str, str]]
COST = 700 * 2.5e-6 + 60 * 10e-6  # of one of the server's replies


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    """The bundled model's atlas, 270 heads, without its descriptions."""
    folder = Path(shutil.copytree(SEED, tmp_path / "smollm2"))
    (folder / "descriptions.parquet").unlink()
    return folder


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(PRICES))
    return path


def chat_with(server: ChatServer, concurrency: int = 8, budget: Budget | None = None, timeout: float = 5.0) -> Chat:
    return Chat(
        "some-model",
        server.url,
        KEY,
        timeout=timeout,
        concurrency=concurrency,
        max_retries=5,
        first_wait=0.01,
        budget=budget,
    )


def arguments(folder: Path, url: str, *options: str) -> list[str]:
    return ["describe", str(folder), "--describer", "some-model", "--base-url", url, *options]


def command(folder: Path, url: str, *options: str) -> subprocess.Popen[str]:
    environment = {"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": KEY, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "maps", *arguments(folder, url, *options)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def run_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """Runs the command in this process; returns its exit status and output."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def run(folder: Path, url: str, *options: str) -> tuple[int, str, str]:
        status = main(arguments(folder, url, *options))
        return status, *capsys.readouterr()

    return run


def rows(folder: Path, name: str = "descriptions") -> list[Row]:
    return Atlas.open(folder).table(name).to_pylist()


def prompts(folder: Path) -> dict[HeadId, str]:
    return {
        head: description_messages(mappings)[0]["content"]
        for head, mappings in Atlas.open(folder).mappings_by_head().items()
    }


def head_of(row: Row) -> HeadId:
    return HeadId(row["layer"], row["head"])


@pytest.mark.process
def test_despite_mixed_errors_each_of_270_heads_is_described_and_paid_for_once(bundled: Path) -> None:
    mixed, budget = MixedErrors(), Budget(Price(2.5, 10))
    prompt_of = prompts(bundled)
    with chat_server.serve_chat(mixed) as server:
        run = describe_atlas(bundled, OpenAICompatibleDescriber(chat_with(server, budget=budget, timeout=1.0)), 8)
    hopeless = {head for head, prompt in prompt_of.items() if prompt in mixed.hopeless_prompts}
    assert hopeless
    described = 270 - len(hopeless)
    assert run == DescribeSummary(described, len(hopeless), described, described)
    assert mixed.paid_replies == Counter(prompt for head, prompt in prompt_of.items() if head not in hopeless)
    assert {head_of(row) for row in rows(bundled)} == set(prompt_of) - hopeless
    assert {(row["observed_pattern"], row["model"]) for row in rows(bundled)} == {
        ("The first letter.", chat_server.MODEL)
    }
    failures = rows(bundled, "failures")
    assert {head_of(row) for row in failures} == hopeless
    reasons = {(re.sub(r".* answered with status 500: .*", "500", row["reason"]), row["attempts"]) for row in failures}
    assert reasons == {("500", 1), ("The reply is a refusal: I can't help with that.", 3)}
    assert not [row for row in failures if KEY in row["reason"]]
    assert sum(row["cost_usd"] for row in rows(bundled)) == pytest.approx(COST * run.asked)
    assert budget.spent_dollars > sum(row["cost_usd"] for row in rows(bundled))  # unusable replies are paid for too
    assert not list(bundled.glob("*pending*"))


@pytest.mark.process
def test_a_killed_run_continues_with_the_missing_heads(bundled: Path, run_command: RunCommand) -> None:
    mixed = MixedErrors()
    mixed.ERRORS_BY_PROMPT = (
        (chat_server.rate_limit_error,),
        (chat_server.server_error,),
        (chat_server.malformed_reply,),
    )
    mixed.PERMANENT_ERRORS = ()
    prompt_of = prompts(bundled)
    with chat_server.serve_chat(mixed) as server:
        first = command(bundled, server.url, "--concurrency", "4")
        while sum(mixed.paid_replies.values()) < 60:
            assert first.poll() is None
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        printed = "".join(first.communicate())
        log_lines = (bundled / "descriptions.pending.jsonl").read_text().splitlines()
        stored = {head_of(json.loads(line)) for line in log_lines}
        status, out, err = run_command(bundled, server.url)
    assert (status, len(rows(bundled))) == (0, 270), err
    assert len(stored) >= 50
    assert f"some-model described {270 - len(stored)} heads now." in out
    assert {prompt_of[head] for head in stored} <= {
        prompt for prompt, count in mixed.paid_replies.items() if count == 1
    }
    assert sum(mixed.paid_replies.values()) <= 270 + 4  # what was under way at the kill
    assert KEY not in printed + out + err


def test_redo_asks_again_and_an_interrupted_redo_continues(atlas_folder: Path) -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        describe_atlas(atlas_folder, OpenAICompatibleDescriber(chat_with(server)))
        describer = OpenAICompatibleDescriber(chat_with(server, budget=Budget(Price(0, 1), cost_limit=1200e-6)))
        with pytest.raises(DescriberError, match="Stopped because"):
            describe_atlas(atlas_folder, describer, redo=True)
        done = len(rows(atlas_folder)) - 8
        assert 0 < done < 8
        assert describe_atlas(atlas_folder, OpenAICompatibleDescriber(chat_with(server)), redo=True).asked == 8 - done
        assert len({row["description_id"] for row in rows(atlas_folder)}) == 16
        assert describe_atlas(atlas_folder, OpenAICompatibleDescriber(chat_with(server))).asked == 0
        assert describe_atlas(atlas_folder, OpenAICompatibleDescriber(chat_with(server)), redo=True).asked == 8
    assert len(Atlas.open(atlas_folder).descriptions()) == 8


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", ["1", "8"])
def test_a_run_stops_before_the_cost_limit_and_says_how_to_continue(
    concurrency: str, bundled: Path, prices: Path, run_command: RunCommand
) -> None:
    options = ["--max-cost", "0.07", "--prices", str(prices), "--concurrency", concurrency]
    with chat_server.serve_chat(chat_server.good_reply) as server:
        status, out, err = run_command(bundled, server.url, *options)
    described = rows(bundled)
    assert status == 2
    assert err.splitlines()[-1].startswith("Stopped because the next question could take the cost over $0.07 ")
    assert 10 < len(described) == len(server.request_bodies) < 0.07 / COST
    assert sum(row["cost_usd"] for row in described) < 0.07
    assert "270 heads for some-model to describe" in out
    assert f"{len(described)} replies, usable or not: {700 * len(described):,} tokens read" in out


def test_a_limit_without_a_price_is_refused(bundled: Path, run_command: RunCommand) -> None:
    status, _, err = run_command(bundled, "http://127.0.0.1:9/v1", "--max-cost", "1")
    assert (status, err) == (
        2,
        "No price is known for this model, so --max-cost cannot be enforced: give --prices FILE.\n",
    )


@pytest.mark.process
def test_a_dry_run_prints_an_estimate_and_asks_nothing(
    bundled: Path, prices: Path, run_command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with chat_server.serve_chat(chat_server.good_reply) as server:
        status, out, err = run_command(bundled, server.url, "--dry-run", "--prices", str(prices))
    assert (status, err, server.request_bodies) == (0, "", [])
    assert re.match(r"270 heads for some-model to describe\. Tokens: about [\d,]+ to read \(estimated at ", out)
    price = r"\nPrice: about \$1\.\d\d, or \$\d\.\d\d if every reply has .* \(prices of 2026-11-01\)\. A head "
    assert re.search(price, out)
    assert out.endswith(prompts(bundled)[HeadId(0, 0)] + "\n")
    assert not (bundled / "descriptions.parquet").exists()


@pytest.mark.process
@pytest.mark.parametrize("interrupts", [1, 2])
def test_an_interrupted_run_waits_for_open_replies_until_a_second_interrupt(
    interrupts: int, atlas_folder: Path
) -> None:
    released = threading.Event()

    def wait_and_reply(body: dict[str, Any]) -> Response:
        assert released.wait(60)
        return chat_server.good_reply(body)

    with chat_server.serve_chat(wait_and_reply) as server:
        process = command(atlas_folder, server.url, "--concurrency", "4")
        while len(server.request_bodies) < 4:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.stderr
        lines = iter(process.stderr.readline, "")
        assert next(line for line in lines if line.startswith("Waiting")) == (
            "Waiting for 4 replies that may already cost money; press Ctrl+C again to stop at once.\n"
        )
        if interrupts == 1:
            released.set()
        else:
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        released.set()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Stopped. Run the same command again to go on where it stopped."
    assert len(server.request_bodies) == 4
    assert len(rows(atlas_folder)) == (4 if interrupts == 1 else 0)


def describe_batched(folder: Path, server: ChatServer, budget: Budget | None = None) -> DescribeSummary:
    return describe_in_batches(folder, chat_with(server, budget=budget), poll=0.02)


def test_heads_are_described_in_a_batch_and_failed_ones_asked_again_in_a_second(atlas_folder: Path) -> None:
    first = [chat_server.good_reply]  # for the head that is asked before the batch
    script = [*first, chat_server.malformed_reply, chat_server.too_long_error, *[chat_server.good_reply] * 5]
    budget = Budget(Price(2.5, 10, batch_factor=0.5), is_batch=True)
    with chat_server.serve_chat(*script, chat_server.good_reply, chat_server.refused_reply) as server:
        assert describe_batched(atlas_folder, server, budget) == DescribeSummary(7, 1, 7, 7)
    assert [len(server.files[f"file_{n}"].splitlines()) for n in (0, 3)] == [7, 2]
    assert {row["seed"] for row in rows(atlas_folder)} == {0, 1}
    assert sorted(row["cost_usd"] for row in rows(atlas_folder)) == [
        *[pytest.approx(COST / 2)] * 6,
        pytest.approx(COST),
    ]
    [failure] = rows(atlas_folder, "failures")
    assert (failure["reason"], failure["attempts"]) == ("The reply is a refusal: I can't help with that.", 2)
    assert budget.answer_count == 9
    assert not list(atlas_folder.glob("*pending*"))


@pytest.mark.process
def test_an_interrupted_batch_is_continued(atlas_folder: Path, run_command: RunCommand) -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        server.polls_until_done = 10**6
        process = command(atlas_folder, server.url, "--batch")
        while not (server.batches and server.batches["batch_0"]["looked"]):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        server.polls_until_done = 0
        status, _, err = run_command(atlas_folder, server.url)
        assert (status, err.partition(":")[0]) == (2, "A batch for some-model is still open")
        status, out, err = run_command(atlas_folder, server.url, "--batch")
    assert status == 0, err
    assert "some-model described 7 heads now." in out
    assert re.search(r"\nContinuing the batch that was sent at \S+, with 7 heads\.\n", out)
    assert (len(server.batches), len(server.request_bodies), len(rows(atlas_folder))) == (1, 8, 8)


@pytest.mark.process
def test_the_batch_of_an_interrupted_redo_is_fetched_without_the_option(
    atlas_folder: Path, run_command: RunCommand
) -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        describe_atlas(atlas_folder, OpenAICompatibleDescriber(chat_with(server)))
        server.batch_ending = "failed"
        with pytest.raises(DescriberError, match="refused the batch"):
            describe_in_batches(atlas_folder, chat_with(server), redo=True, poll=0.02)
        assert (atlas_folder / "redo.pending.json").exists()
        status, out, _ = run_command(atlas_folder, server.url, "--batch")  # no batch is open, so nothing is to be asked
        assert (status, out.partition("\n")[0]) == (0, "some-model has no head left to describe.")
        server.batch_ending, server.polls_until_done = "completed", 10**6
        process = command(atlas_folder, server.url, "--batch", "--redo")
        while not (len(server.batches) == 2 and server.batches["batch_1"]["looked"]):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        server.polls_until_done = 0
        status, out, err = run_command(atlas_folder, server.url)
        assert (status, out, err.partition(":")[0]) == (2, "", "A batch for some-model is still open")
        status, out, err = run_command(atlas_folder, server.url, "--batch")
    assert status == 0, err
    assert ", with 6 heads.\n" in out
    assert "some-model described 6 heads now.\n" in out
    assert (len(server.batches), len(rows(atlas_folder))) == (2, 16)
    assert not list(atlas_folder.glob("*pending*"))


def test_a_run_in_which_every_head_fails_has_status_1_and_names_the_failures(
    atlas_folder: Path, run_command: RunCommand
) -> None:
    with chat_server.serve_chat(chat_server.too_long_error) as server:
        status, out, err = run_command(atlas_folder, server.url)
    message = f"some-model described none of 8 heads; the reasons are in {atlas_folder}/failures.parquet."
    assert (status, err.splitlines()[-1]) == (1, message)
    assert "descriptions.parquet" not in out
    assert len(rows(atlas_folder, "failures")) == 8


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--seed", "1000000000"], "argument --seed: '1000000000' is not a whole number from 0 to 999,999,999"),
        (["--describer", " "], "argument --describer: the name of the model is empty"),
        (["--timeout", "0"], "argument --timeout: '0' is not a time in seconds such as 2.5"),
        (["--timeout", "nan"], "argument --timeout: 'nan' is not a time in seconds such as 2.5"),
    ],
)
def test_invalid_options_are_refused(
    options: list[str], sentence: str, atlas_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments(atlas_folder, "http://127.0.0.1:9/v1", *options))
    assert capsys.readouterr().err.splitlines()[-1] == f"python -m maps describe: error: {sentence}"


def test_a_timeout_may_be_a_fraction_of_a_second(atlas_folder: Path, run_command: RunCommand) -> None:
    with chat_server.serve_chat(chat_server.slow_reply) as server:
        status, _, _ = run_command(atlas_folder, server.url, "--timeout", "0.1")
    assert status == 1
    assert {"0.1 seconds" in row["reason"] for row in rows(atlas_folder, "failures")} == {True}


def test_text_of_a_server_about_a_batch_is_escaped_for_the_terminal(
    atlas_folder: Path, run_command: RunCommand
) -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        begin_batch = server.begin_batch

        def begin_hostile_batch(file: str) -> dict[str, Any]:
            batch = begin_batch(file)
            batch |= {"id": "batch\x1b[31m", "status": "failed", "errors": {"object": "list", "data": []}}
            batch["errors"]["data"] = [{"code": "x", "message": "Bad\x1b]0;\x07."}]
            return batch

        server.begin_batch = begin_hostile_batch  # type: ignore[method-assign]
        status, out, err = run_command(atlas_folder, server.url, "--batch")
    assert status == 2
    assert err.splitlines()[-1].endswith(r"refused the batch: Bad\u001B]0;\u0007.")
    assert r"batch\u001B[31m" in err
    assert "\x1b[31m" not in out + err


def test_a_batch_that_started_without_a_note_is_found_again(atlas_folder: Path) -> None:
    atlas = Atlas.open(atlas_folder)
    hashes = {str(head): mapping_hash(mappings) for head, mappings in atlas.mappings_by_head().items()}
    note = {"file": "file_0", "batch": "", "round": 1, "seed": 0, "sent_at": "", "heads": hashes}
    with chat_server.serve_chat(chat_server.good_reply) as server:
        describe_batched(atlas_folder, server)
        for changed, batches in (("", 1), ("changed", 2)):  # answers about other mappings are not stored
            (atlas_folder / "descriptions.parquet").unlink()
            noted = {head: value + changed for head, value in hashes.items()}
            (atlas_folder / "batches.pending.json").write_text(json.dumps({"some-model": {**note, "heads": noted}}))
            assert describe_batched(atlas_folder, server) == DescribeSummary(8, 0, 8, 8)
            assert (len(server.batches), len(server.request_bodies)) == (
                batches,
                8 * batches + 1,
            )  # the head of the trial


def test_a_refused_batch_ends_the_run_and_is_forgotten(atlas_folder: Path) -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        server.batch_ending = "failed"
        with pytest.raises(DescriberError, match=r"refused the batch: Too many\.$"):
            describe_batched(atlas_folder, server)
        server.batch_ending = "completed"
        assert describe_batched(atlas_folder, server) == DescribeSummary(
            7, 0, 8, 8
        )  # one was asked before the refused batch


@pytest.mark.parametrize("batch_api", ["none", "page"])
def test_without_a_batch_api_the_run_ends_and_the_first_head_is_stored(batch_api: str, atlas_folder: Path) -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        server.batch_api = batch_api
        with pytest.raises(DescriberError, match=r"has no Batch API: describe without --batch\.$"):
            describe_batched(atlas_folder, server)
    assert len(rows(atlas_folder)) == 1


def test_a_batch_leaves_out_the_parameters_that_were_refused_for_the_first_head(
    atlas_folder: Path, run_command: RunCommand
) -> None:
    with chat_server.serve_chat(chat_server.no_seed_support) as server:
        status, out, err = run_command(atlas_folder, server.url, "--batch")
    assert (status, len(rows(atlas_folder)), len(server.batches)) == (0, 8, 1), err
    assert "\nOne head is asked about first, at the full price, to check the request before the batch is sent.\n" in out
    refused, sent = server.request_bodies[:2], server.request_bodies[2:]
    assert [body.keys() & {"seed", "max_tokens"} for body in refused] == [{"seed", "max_tokens"}, {"max_tokens"}]
    assert {tuple(sorted(body)) for body in sent} == {("max_completion_tokens", "messages", "model", "response_format")}


def test_each_refusal_in_a_continued_batch_is_taken_into_account_once(atlas_folder: Path) -> None:
    atlas = Atlas.open(atlas_folder)
    hashes = {str(head): mapping_hash(mappings) for head, mappings in atlas.mappings_by_head().items()}
    note = {"file": "file_0", "batch": "", "round": 1, "seed": 0, "sent_at": "", "heads": hashes}
    (atlas_folder / "batches.pending.json").write_text(json.dumps({"some-model": note}))
    bodies = {head: {"model": "m", "messages": [], "seed": 0} for head in hashes}
    lines = [json.dumps({"custom_id": head, "body": body}) for head, body in bodies.items()]
    with chat_server.serve_chat(chat_server.no_seed_support) as server:
        server.files["file_0"] = "\n".join(lines).encode()
        assert describe_batched(atlas_folder, server) == DescribeSummary(8, 0, 8, 8)
    assert {body["response_format"]["type"] for body in server.request_bodies[8:]} == {"json_schema"}


def test_unusable_result_lines_do_not_replace_replies(atlas_folder: Path) -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        server.has_junk_lines = True
        assert describe_batched(atlas_folder, server) == DescribeSummary(8, 0, 8, 8)
    assert len(server.batches) == 1


def test_a_lost_reply_counts_at_its_maximum_cost(atlas_folder: Path, prices: Path, run_command: RunCommand) -> None:
    options = ["--max-cost", "0.05", "--prices", str(prices), "--concurrency", "1"]
    with chat_server.serve_chat(chat_server.dropped_reply) as server:
        status, out, err = run_command(atlas_folder, server.url, *options)
    assert status == 2
    assert err.splitlines()[-1].startswith("Stopped because the next question could take the cost over $0.05 ($0.0")
    assert 1 < len(server.request_bodies) < 5
    assert f"Includes the highest possible cost of {len(server.request_bodies)} lost replies." in out


def test_an_unknown_batch_is_reported(atlas_folder: Path) -> None:
    note = {"file": "file_0", "batch": "batch_9", "round": 1, "seed": 0, "sent_at": "", "heads": {}}
    (atlas_folder / "batches.pending.json").write_text(json.dumps({"some-model": note}))
    with (
        chat_server.serve_chat(chat_server.good_reply) as server,
        pytest.raises(DescriberError, match=r"has no such batch: describe without --batch\.$"),
    ):
        describe_batched(atlas_folder, server)


def test_heads_that_an_expired_batch_left_are_asked_again(atlas_folder: Path) -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        server.batch_ending = "expired"
        assert describe_batched(atlas_folder, server) == DescribeSummary(6, 2, 6, 6)
    assert {row["reason"] for row in rows(atlas_folder, "failures")} == {
        "No reply in the batch: it ended with status expired."
    }


def test_descriptions_of_other_mappings_are_stale(atlas_folder: Path) -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        describe_atlas(atlas_folder, OpenAICompatibleDescriber(chat_with(server)))
    atlas = Atlas.open(atlas_folder)
    assert atlas.stale_description_ids() == set()
    changed = [{**row, "source_id": 0} if row["head"] == 1 else row for row in atlas.table("mappings").to_pylist()]
    write_table(atlas_folder, "mappings", make_table("mappings", changed))
    stale = {row["description_id"] for row in rows(atlas_folder) if row["head"] == 1}
    assert (atlas.stale_description_ids(), atlas.stale_description_ids(HeadId(0, 0))) == (stale, set())
    warning = "  stale: the mappings changed after this description; describe the atlas again"
    head_texts = [maps.show(atlas, head).splitlines() for head in ("L0H1", "L0H0")]
    assert [warning in lines for lines in head_texts] == [True, False]
