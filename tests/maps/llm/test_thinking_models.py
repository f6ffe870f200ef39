"""Models that think before they answer, behind a real server: what is read, and the tokens that they get."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.describers.describe_atlas import describe_atlas
from maps.describers.describe_in_batches import describe_in_batches
from maps.describers.openai_compatible import OpenAICompatibleDescriber
from maps.errors import ReplyError
from maps.llm.budget import Budget
from maps.llm.client import Chat
from maps.llm.prices import Price
from maps.types import Answer, Description
from tests import chat_server
from tests.chat_server import DESCRIPTION, Behaviour, completion_response, error_response, good_reply, serve_chat
from tests.scripted import ScriptedDescriber

QUESTION = [{"role": "user", "content": "What?"}]
THOUGHT = '<think>Perhaps {"Reasoning": "x"}, or\n```json\n{"belongs": [1]}\n```?</think>'


def reply(content: object, **fields: Any) -> Behaviour:
    return lambda _body: completion_response(content, **fields)


def chat_with(url: str, **options: Any) -> Chat:
    settings: dict[str, Any] = {"max_retries": 2, "first_wait": 0.01, "on_notice": lambda _: None}
    return Chat("some-model", url, "sk-secret", **(settings | options))


def ask(chat: Chat, count: int = 1, max_tokens: int = 100) -> list[str]:
    async def work() -> list[str]:
        async with chat:
            asked = [await chat.ask(QUESTION, seed=0, schema={}, max_tokens=max_tokens) for _ in range(count)]  # type: ignore[arg-type]
            return [each.content for each in asked]

    return asyncio.run(work())


def failure(behaviour: Behaviour, **options: Any) -> str:
    with serve_chat(behaviour) as server, pytest.raises(ReplyError) as caught:
        ask(chat_with(server.url, **options))
    return str(caught.value)


def token_limits(bodies: list[dict[str, Any]]) -> list[int]:
    return [body["max_tokens"] for body in bodies]


def stored(folder: Path, table: str = "descriptions") -> list[dict[str, Any]]:
    return Atlas.open(folder).table(table).to_pylist()


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "{}"}],
        ["{", {"text": "}"}],
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm {"}], "text": "Hm"},
            {"type": "text", "text": "{}"},
        ],
        [{"type": "reasoning", "text": "Hm"}, {"type": "output_text", "text": "{"}, {"type": "text", "text": "}"}],
    ],
)
def test_the_text_is_read_from_a_list_of_parts(content: object) -> None:
    with serve_chat(reply(content)) as server:
        assert ask(chat_with(server.url)) == ["{}"]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking", "reasoning_details"])
@pytest.mark.parametrize("content", [None, "", " \n", []])
def test_text_that_came_as_thoughts_only_is_named(key: str, content: object) -> None:
    assert failure(reply(content, **{key: json.dumps(DESCRIPTION)})) == (
        f"The reply is empty: the server sent all text as `{key}`, the model's thoughts: raise --max-tokens, or switch "
        "off the model's thinking at the server."
    )


def test_a_reply_that_was_cut_off_names_the_limit_and_how_to_raise_it() -> None:
    assert failure(chat_server.truncated_reply) == "The reply was cut off after 100 tokens: raise --max-tokens."
    assert failure(chat_server.truncated_reply, max_tokens=30).startswith("The reply was cut off after 30 tokens: ")
    assert failure(reply(None, finish="length", tokens=100, reasoning_content="Hm")) == (
        "The reply was cut off after 100 tokens, with the model's thoughts among them: raise --max-tokens, or switch "
        "off the model's thinking at the server."
    )
    for finish in ("model_length", "MAX_TOKENS"):
        assert failure(reply("{", finish=finish, tokens=30)) == (
            "The reply was cut off after 30 of 100 tokens: give the server a longer context; if it is not full, raise "
            "--max-tokens."
        )


@pytest.mark.parametrize("command", [["describe", "ATLAS"], ["describe", "ATLAS", "--batch"], ["score", "ATLAS"]])
def test_each_command_that_asks_a_model_has_the_option_that_the_message_names(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command, "--max-tokens", "0"])
    assert "argument --max-tokens: '0' is not" in capsys.readouterr().err


def cut_below(tokens: int, then: Behaviour = good_reply) -> Behaviour:
    """A reply that is cut off in its thoughts if it may have fewer tokens than that."""
    return lambda body: chat_server.reply_cut_in_thoughts(body) if body["max_tokens"] < tokens else then(body)


def test_a_reply_that_is_cut_off_inside_its_object_brings_no_more_tokens() -> None:
    notices: list[str] = []
    with serve_chat(chat_server.truncated_reply) as server:
        chat = chat_with(server.url, on_notice=notices.append)
        for _ in range(2):
            with pytest.raises(ReplyError, match="cut off after 100 tokens"):
                ask(chat)
    assert token_limits(server.request_bodies) == [100, 100]
    assert notices == []


def test_a_model_whose_reply_was_cut_off_gets_tokens_to_think_and_is_asked_again(atlas_folder: Path) -> None:
    notices: list[str] = []
    with serve_chat(cut_below(5000)) as server:
        chat = chat_with(server.url, on_notice=notices.append)
        run = describe_atlas(atlas_folder, OpenAICompatibleDescriber(chat))
    assert (run.asked, run.failed) == (8, 0)
    assert token_limits(server.request_bodies) == [1024, *[1024 + 8192] * 8]
    assert notices == [
        "some-model thinks before it answers: from now on, each reply may have 8,192 more tokens. --max-tokens sets "
        "another limit."
    ]


THINKING_REPLIES = [
    reply("<think>Hm.</think>{}"),
    reply("{}", reasoning_content="Hm."),
    reply("{}", reasoning_details=[{"type": "reasoning.text", "text": "Hm."}]),
    reply([{"type": "thinking", "thinking": []}, {"type": "text", "text": "{}"}]),
    reply("", reasoning="Hm."),
]


@pytest.mark.parametrize("behaviour", THINKING_REPLIES)
def test_a_model_that_shows_thoughts_gets_tokens_to_think_from_then_on(behaviour: Behaviour) -> None:
    with serve_chat(behaviour, good_reply) as server:
        chat = chat_with(server.url)
        try:
            ask(chat, 2)
        except ReplyError:
            ask(chat)
    assert token_limits(server.request_bodies) == [100, 100 + 8192]


def test_counted_thoughts_give_tokens_to_think() -> None:
    def counted(body: dict[str, Any]) -> Response:
        answer = json.loads(bytes(good_reply(body).body))
        answer["usage"]["completion_tokens_details"] = {"reasoning_tokens": 40}
        return JSONResponse(answer)

    with serve_chat(counted) as server:
        ask(chat_with(server.url), 2)
    assert token_limits(server.request_bodies) == [100, 100 + 8192]


def test_a_model_that_does_not_think_gets_no_more_tokens() -> None:
    with serve_chat(good_reply, reply('{"a": "</think>"}', reasoning_content="", reasoning=None)) as server:
        ask(chat_with(server.url), 3)
    assert token_limits(server.request_bodies) == [100, 100, 100]


def test_a_given_limit_or_a_cost_limit_without_room_forbids_more_tokens() -> None:
    for options in ({"max_tokens": 100}, {"budget": Budget(Price(1, 10), cost_limit=0.05)}):
        with serve_chat(chat_server.reply_cut_in_thoughts) as server:
            chat = chat_with(server.url, **options)
            for _ in range(2):
                with pytest.raises(ReplyError, match="cut off after 100 tokens"):
                    ask(chat)
        assert token_limits(server.request_bodies) == [100, 100]


def test_a_cost_limit_with_room_holds_with_more_tokens() -> None:
    budget = Budget(Price(1, 10), cost_limit=0.5)
    with serve_chat(cut_below(5000)) as server:
        chat = chat_with(server.url, budget=budget)
        with pytest.raises(ReplyError):
            ask(chat)
        ask(chat)
    assert token_limits(server.request_bodies) == [100, 100 + 8192]
    assert budget.spent_dollars <= 0.5


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 8292. This model's maximum context length is 4096 tokens",
        "This model's maximum context length is 4096 tokens. However, you requested 8292 tokens",
        "the request exceeds the available context size",
    ],
)
@pytest.mark.parametrize("code", [None, "context_length_exceeded", "402"])
def test_tokens_to_think_that_do_not_fit_are_taken_back(message: str, code: str | None) -> None:
    def small_context(body: dict[str, Any]) -> Response:
        if body["max_tokens"] > 4096 and code == "402":
            return error_response(
                402, "This request requires more credits, or fewer max_tokens. You can only afford 4096"
            )
        if body["max_tokens"] > 4096:
            return error_response(400, message, code)
        return cut_below(1000)(body)

    with serve_chat(small_context) as server:
        chat = chat_with(server.url)
        with pytest.raises(ReplyError):
            ask(chat)
        ask(chat, 2)
    assert token_limits(server.request_bodies) == [100, 100 + 8192, 100 + 4096, 100 + 2048, 100 + 2048]
    assert {body["response_format"]["type"] for body in server.request_bodies} == {"json_schema"}


def test_a_server_that_answers_again_without_room_for_thoughts_is_asked_with_the_first_limit() -> None:
    def tiny_context(body: dict[str, Any]) -> Response:
        if body["max_tokens"] > 500:
            return error_response(400, "max_tokens is too large")
        return chat_server.reply_cut_in_thoughts(body)

    with serve_chat(tiny_context) as server:
        chat = chat_with(server.url)
        for _ in range(3):
            with pytest.raises(ReplyError, match="cut off after 100 tokens"):
                ask(chat)
    thoughts = [0, 8192, 4096, 2048, 1024, 0, 0]
    assert token_limits(server.request_bodies) == [100 + extra for extra in thoughts]


def test_the_answer_behind_thoughts_is_read_one_by_one_in_a_batch_and_by_a_scorer(atlas_folder: Path) -> None:
    thoughtful = reply(THOUGHT + json.dumps(DESCRIPTION))
    with serve_chat(thoughtful) as server:
        assert describe_in_batches(atlas_folder, chat_with(server.url), poll=0.01).asked == 8
        assert describe_atlas(atlas_folder, OpenAICompatibleDescriber(chat_with(server.url)), redo=True).asked == 8
    assert {row["reasoning"] for row in stored(atlas_folder)} == {"Seen often."}
    with serve_chat(reply(THOUGHT + '{"belongs": [2, 3]}')) as server:
        assert main(["score", str(atlas_folder), "--scorer", "s", "--base-url", server.url, "--no-random"]) == 0
    assert {row["own_named"] is None for row in stored(atlas_folder, "detections")} == {False}
    assert max(token_limits(server.request_bodies)) == 256 + 8192


def test_thoughts_alone_are_a_failure_one_by_one_in_a_batch_and_of_a_scorer(atlas_folder: Path) -> None:
    only_thoughts = reply(f"<think>{json.dumps(DESCRIPTION)}")
    with serve_chat(only_thoughts) as server:
        assert describe_in_batches(atlas_folder, chat_with(server.url), poll=0.01).failed == 8
        assert describe_atlas(atlas_folder, OpenAICompatibleDescriber(chat_with(server.url))).failed == 8
    reasons = {row["reason"] for row in stored(atlas_folder, "failures")}
    assert {reason.partition(":")[0] for reason in reasons} == {"The reply contains the model's thoughts and no answer"}
    answers = [Answer(Description("Words.", f"Pattern {n}.", ""), "scripted") for n in range(8)]
    describe_atlas(atlas_folder, ScriptedDescriber(answers))
    with serve_chat(reply('<think>{"belongs": [1]}')) as server:
        assert main(["score", str(atlas_folder), "--scorer", "s", "--base-url", server.url, "--no-random"]) == 1
    assert {row["own_named"] for row in stored(atlas_folder, "detections")} == {None}


def test_a_batch_of_replies_that_were_cut_off_is_asked_again_with_more_tokens(atlas_folder: Path) -> None:
    with serve_chat(good_reply, cut_below(5000)) as server:  # the first head shows nothing
        run = describe_in_batches(atlas_folder, chat_with(server.url), poll=0.01)
    assert (run.asked, run.failed) == (8, 0)
    assert token_limits(server.request_bodies) == [*[1024] * 8, *[1024 + 8192] * 7]
