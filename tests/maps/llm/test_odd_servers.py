"""Servers with manners of their own: errors inside answers with status 200, formats refused with a server error."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from maps.atlas.reader import Atlas
from maps.describers.describe_atlas import describe_atlas
from maps.describers.describe_in_batches import describe_in_batches
from maps.describers.openai_compatible import OpenAICompatibleDescriber
from maps.errors import DescriberError, MapsError, NoReplyError, ReplyError
from maps.llm.client import Chat
from tests.chat_server import (
    Behaviour,
    ChatServer,
    completion_response,
    error_response,
    good_reply,
    no_schema_support,
    serve_chat,
    server_error,
)

QUESTION = [{"role": "user", "content": "What?"}]
# llama-cpp-python 0.3 to a request with a JSON schema
LLAMA_CPP_REFUSAL = (
    "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or "
    "'json_object'\", 'input': 'json_schema', 'ctx': {'expected': \"'text' or 'json_object'\"}}]"
)


def chat_with(url: str, **options: Any) -> Chat:
    settings: dict[str, Any] = {"max_retries": 2, "first_wait": 0.01, "on_notice": lambda _: None}
    return Chat("some-model", url, "sk-secret", **(settings | options))


def ask(chat: Chat, count: int = 1) -> list[str]:
    async def work() -> list[str]:
        async with chat:
            asked = [await chat.ask(QUESTION, seed=0, schema={"x": 1}, max_tokens=100) for _ in range(count)]  # type: ignore[arg-type]
            return [each.content for each in asked]

    return asyncio.run(work())


def answers(body: object) -> Behaviour:
    return lambda _request: JSONResponse(body)


def hidden(code: object, message: str = "Provider says no") -> Behaviour:
    """Status 200 with an error, as OpenRouter answers."""
    return answers({"error": {"message": message, "code": code}})


def formats(server: ChatServer) -> list[str | None]:
    """The formats that were asked for; `schema` stands for JSON mode with a schema."""
    requested = [body.get("response_format", {}) for body in server.request_bodies]
    return ["schema" if "schema" in each else each.get("type") for each in requested]


def refuses_format(status: int, message: str, *types: str) -> Behaviour:
    """That error for these types of formats."""

    def behaviour(body: dict[str, Any]) -> Response:
        if body.get("response_format", {}).get("type") in types:
            return error_response(status, message)
        return good_reply(body)

    return behaviour


@pytest.mark.parametrize("status", [400, 422, 501])
@pytest.mark.parametrize("message", ["json_schema is not supported", "Not implemented", ""])
def test_a_refused_schema_is_put_into_json_mode(status: int, message: str) -> None:
    with serve_chat(refuses_format(status, message, "json_schema")) as server:
        ask(chat_with(server.url), 2)
    assert formats(server) == ["json_schema", "schema", "schema"]
    assert server.request_bodies[1]["response_format"] == {"type": "json_object", "schema": {"x": 1}}


def test_a_server_that_refuses_a_schema_in_json_mode_is_asked_without_it() -> None:
    def plain_json_mode(body: dict[str, Any]) -> Response:
        if "schema" in body.get("response_format", {}):
            return error_response(400, "Unknown parameter: 'response_format.schema'.", "unknown_parameter")
        return no_schema_support(body)

    with serve_chat(plain_json_mode) as server:
        ask(chat_with(server.url), 2)
    assert formats(server) == ["json_schema", "schema", "json_object", "json_object"]


@pytest.mark.parametrize(
    "message",
    [
        LLAMA_CPP_REFUSAL,
        "Failed to initialize samplers: failed to parse grammar",
        "guided decoding is not available",
        "Structured output is not supported by this backend",
    ],
)
def test_a_server_error_that_names_the_format_is_a_refusal_if_it_comes_twice(message: str) -> None:
    with serve_chat(refuses_format(500, message, "json_schema")) as server:
        ask(chat_with(server.url, max_retries=7), 2)
    assert formats(server) == ["json_schema", "json_schema", "schema", "schema"]


def test_a_passing_server_error_does_not_end_the_schema() -> None:
    for message in ("Internal error", LLAMA_CPP_REFUSAL):
        with serve_chat(lambda _body, message=message: error_response(500, message), good_reply) as server:  # type: ignore[misc]
            ask(chat_with(server.url), 2)
        assert formats(server) == ["json_schema"] * 3


@pytest.mark.parametrize("status", [500, 502])
def test_a_format_that_gets_server_errors_without_a_word_is_given_up_when_another_question_shows_it(
    status: int,
) -> None:
    """After all retries, the question is asked without a format; the next question finds the strictest that works."""
    with serve_chat(refuses_format(status, "Internal error", "json_schema")) as server:
        ask(chat_with(server.url), 3)
    assert formats(server) == [*["json_schema"] * 3, None, "json_schema", "schema", "schema"]
    with serve_chat(refuses_format(status, "Internal error", "json_schema", "json_object")) as server:
        ask(chat_with(server.url), 3)
    assert formats(server) == [*["json_schema"] * 3, None, "json_schema", "schema", "json_object", None, None]


def test_an_outage_does_not_end_the_schema() -> None:
    with serve_chat(*[server_error] * 3, good_reply) as server:  # over when the format is left out
        ask(chat_with(server.url), 3)
    assert formats(server) == [*["json_schema"] * 3, None, "json_schema", "json_schema"]
    with serve_chat(*[server_error] * 4, good_reply) as server:  # over a little later
        chat = chat_with(server.url)
        with pytest.raises(NoReplyError, match="status 500"):
            ask(chat)
        ask(chat)
    assert formats(server) == [*["json_schema"] * 3, None, "json_schema"]


def test_a_doubted_format_does_not_end_the_retries_after_other_errors() -> None:
    def limited(_body: dict[str, Any]) -> Response:
        return error_response(429, "Rate limit reached")

    with serve_chat(*[server_error] * 3, limited, good_reply, limited, limited, good_reply) as server:
        ask(chat_with(server.url), 2)
    assert formats(server) == [*["json_schema"] * 3, None, None, *["json_schema"] * 3]


def test_a_batch_is_asked_again_with_the_format_that_a_server_error_refused(atlas_folder: Path) -> None:
    changed = refuses_format(500, LLAMA_CPP_REFUSAL, "json_schema")
    with serve_chat(good_reply, changed) as server:
        run = describe_in_batches(atlas_folder, chat_with(server.url), poll=0.01)
    assert (run.asked, run.failed) == (8, 0)
    assert formats(server) == [*["json_schema"] * 8, *["schema"] * 7]


@pytest.mark.parametrize(
    "error",
    [
        hidden(429),
        hidden("429"),
        hidden(502),
        hidden(408),
        hidden("rate_limit_exceeded"),
        hidden("server_error"),
        answers({"error": {"message": "x", "status": "UNAVAILABLE", "code": None}}),
        answers([{"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}]),
        answers({"object": "error", "message": "x", "type": "internal_server_error", "code": 500}),
        answers({"error": "overloaded", "status": 503}),
        answers({"id": "1", "choices": [], "error": {"code": 500, "message": "x"}}),
        answers({"choices": [{"finish_reason": "error", "message": {"content": "{"}, "error": {"code": 502}}]}),
    ],
)
def test_a_passing_error_inside_an_answer_is_retried(error: Behaviour) -> None:
    with serve_chat(error, good_reply) as server:
        ask(chat_with(server.url))
    assert len(server.request_bodies) == 2


def test_a_rate_limit_inside_an_answer_keeps_back_every_question() -> None:
    def slow_down(_body: dict[str, Any]) -> Response:
        return JSONResponse({"error": {"code": 429, "message": "x"}}, headers={"retry-after": "0.3"})

    with serve_chat(slow_down, good_reply) as server:
        started = time.monotonic()
        ask(chat_with(server.url))
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (401, "rejected the API key: set a valid OPENAI_API_KEY, or describe without a key"),
        ("invalid_api_key", "rejected the API key"),
        (402, "has no quota left: add credit"),
        ("insufficient_quota", "has no quota left: add credit"),
        (404, "has no model 'some-model'"),
    ],
)
def test_an_error_inside_an_answer_that_no_retry_can_fix_ends_the_run_with_its_words(
    code: object, sentence: str
) -> None:
    with serve_chat(hidden(code, "No endpoints for sk-secret")) as server, pytest.raises(DescriberError) as caught:
        ask(chat_with(server.url))
    assert len(server.request_bodies) == 1
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(" It says: No endpoints for [key]")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"code": 502, "message": "Provider failed"}}, "answered with status 502: Provider failed"),
        (
            {"error": {"code": 502, "message": "Provider failed", "metadata": {"raw": "CUDA error", "is_byok": False}}},
            "answered with status 502: Provider failed CUDA error",
        ),
        (
            {"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "Upstream idle"}}]},
            "answered with status 502: Upstream idle",
        ),
        ({"error": {"code": 400, "message": "Bad prompt"}}, "answered with status 400: Bad prompt"),
        ({"error": {"message": "It broke"}}, "The server's answer contains no reply: It broke"),
        ({"error": {"code": 1305, "message": "It broke"}}, "The server's answer contains no reply: It broke"),
        ({"detail": "It broke"}, "The server's answer contains no reply: It broke"),
        ({"success": False, "errors": [{"message": "It broke"}]}, "The server's answer contains no reply: It broke"),
        (
            {"choices": [{"finish_reason": "error", "message": {"content": "{"}, "error": {"message": "It broke"}}]},
            "The server's answer contains no reply: It broke",
        ),
    ],
)
def test_the_words_of_an_error_inside_an_answer_are_shown(body: object, words: str) -> None:
    with serve_chat(answers(body)) as server, pytest.raises(ReplyError) as caught:
        ask(chat_with(server.url, max_retries=0))
    assert str(caught.value).endswith(words)


@pytest.mark.parametrize("error", [None, {}, "", {"code": 429, "message": "x"}])
def test_a_reply_with_an_empty_or_needless_error_field_is_read(error: object) -> None:
    answer = json.loads(bytes(completion_response('{"error": "quoted"}').body))
    with serve_chat(answers({**answer, "error": error})) as server:
        assert ask(chat_with(server.url)) == ['{"error": "quoted"}']


def test_a_raw_newline_in_the_answer_of_a_server_is_accepted() -> None:
    def raw(body: dict[str, Any]) -> Response:
        return Response(bytes(good_reply(body).body).replace(b"Words.", b"Words.\n\t"), media_type="application/json")

    with serve_chat(raw) as server:
        assert "Words.\n\t" in ask(chat_with(server.url))[0]


def test_errors_inside_the_answers_of_a_batch_are_failures_with_their_words(atlas_folder: Path) -> None:
    with serve_chat(good_reply, hidden(502, "Provider failed")) as server:
        run = describe_in_batches(atlas_folder, chat_with(server.url), poll=0.01)
    assert (run.asked, run.failed) == (1, 7)
    reasons = {
        row["reason"].partition(" answered ")[2] for row in Atlas.open(atlas_folder).table("failures").to_pylist()
    }
    assert reasons == {"with status 502: Provider failed"}


def test_an_error_inside_the_answer_to_an_upload_stops_with_its_words(
    atlas_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.chat_server.web_page_reply", hidden(402, "Insufficient credits"))
    with serve_chat(good_reply) as server:
        server.batch_api = "page"
        with pytest.raises(MapsError, match=r"has no quota left: add credit, .* It says: Insufficient credits"):
            describe_in_batches(atlas_folder, chat_with(server.url), poll=0.01)


def test_a_run_waits_retries_and_goes_on_after_errors_inside_answers(atlas_folder: Path) -> None:
    with serve_chat(hidden(429), hidden(502), hidden(503), good_reply) as server:
        run = describe_atlas(atlas_folder, OpenAICompatibleDescriber(chat_with(server.url)), 4)
    assert (run.asked, run.failed) == (8, 0)
    assert len(server.request_bodies) == 11
