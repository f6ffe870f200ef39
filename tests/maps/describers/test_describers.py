"""The describers: a model behind a real server on loopback, the offline describer, the scripted one."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from maps.describers.ask_many import as_async_context
from maps.describers.describer import Describer, make_describer
from maps.describers.offline.describer import OfflineDescriber
from maps.describers.openai_compatible import OpenAICompatibleDescriber
from maps.describers.prompt import REPLY_SCHEMA, description_messages
from maps.errors import DescriberError, NoReplyError, ReplyError
from maps.llm.budget import Budget
from maps.llm.client import Chat
from maps.llm.messages import prompt_hash
from maps.llm.prices import Price
from maps.types import Answer, Description, Mapping
from tests import chat_server
from tests.chat_server import Behaviour, ChatServer
from tests.scripted import ScriptedDescriber

KEY = "sk-secret"
OFFLINE = "python -m maps describe ATLAS --describer offline"
FIRE = [Mapping(1, 5, " fire", 2.0, (6,), (" f",), (0.5,))]


def model(url: str, key: str | None = KEY, *, timeout: float = 5.0, max_retries: int = 3) -> OpenAICompatibleDescriber:
    return OpenAICompatibleDescriber(
        Chat("some-model", url, key, timeout=timeout, max_retries=max_retries, first_wait=0.01)
    )


def describe_fire(describer: Describer, *seeds: int) -> list[Answer]:
    async def work() -> list[Answer]:
        async with as_async_context(describer):
            return [await describer.describe(FIRE, seed) for seed in seeds]

    return asyncio.run(work())


def ask(*script: Behaviour, timeout: float = 5.0) -> Answer:
    with chat_server.serve_chat(*script) as server:
        return describe_fire(model(server.url, timeout=timeout, max_retries=0), 3)[0]


def ask_with_retries(behaviour: Behaviour) -> Answer:
    with chat_server.serve_chat(behaviour) as server:
        return describe_fire(model(server.url), 3)[0]


def test_a_description_comes_with_its_provenance() -> None:
    assert ask(chat_server.good_reply) == Answer(
        Description("Words.", "The first letter.", "Seen often."),
        model=chat_server.MODEL,
        support=None,
        prompt_hash=prompt_hash(description_messages(FIRE)),
        seed=3,
        prompt_tokens=700,
        completion_tokens=60,
        cost_usd=None,
    )


def test_the_server_receives_the_prompt_the_seed_and_the_key() -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        describe_fire(model(server.url), 3)
    expected = {
        "model": "some-model",
        "messages": description_messages(FIRE),
        "max_tokens": 1024,
        "seed": 3,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": REPLY_SCHEMA},
        },
    }
    assert (server.request_bodies, server.request_keys) == ([expected], ["Bearer sk-secret"])


def requested_formats(server: ChatServer) -> list[str | None]:
    return [body.get("response_format", {}).get("type") for body in server.request_bodies]


def test_a_server_without_json_schema_is_asked_in_json_mode_from_then_on() -> None:
    with chat_server.serve_chat(chat_server.no_schema_support) as server:
        answers = describe_fire(model(server.url), 1, 2)
    assert [answer.description.observed_pattern for answer in answers] == ["The first letter."] * 2
    assert requested_formats(server) == ["json_schema", "json_object", "json_object"]
    assert [body["response_format"].get("schema") for body in server.request_bodies[1:]] == [REPLY_SCHEMA] * 2


def test_a_server_without_json_mode_is_asked_in_plain_text_from_then_on() -> None:
    with chat_server.serve_chat(chat_server.no_json_mode_support) as server:
        answers = describe_fire(model(server.url), 1, 2)
    assert [answer.description.observed_pattern for answer in answers] == ["The first letter."] * 2
    assert requested_formats(server) == ["json_schema", "json_object", "json_object", None, None]


def test_one_question_that_is_refused_does_not_end_json_mode() -> None:
    for refused, tries in ((chat_server.too_long_error, 1), (chat_server.invalid_request_error, 4)):
        with chat_server.serve_chat(*[refused] * tries, chat_server.good_reply) as server:
            describer = model(server.url)
            with pytest.raises(NoReplyError, match=r"answered with status 400: "):
                describe_fire(describer, 1)
            describe_fire(describer, 1)
        formats = ["json_schema", "json_object", "json_object", None]
        assert requested_formats(server) == [*formats[:tries], "json_schema"]


def test_a_parameter_that_a_model_refuses_is_left_out_from_then_on() -> None:
    with chat_server.serve_chat(chat_server.no_seed_support) as server:
        answers = describe_fire(model(server.url), 1, 2)
    assert [answer.seed for answer in answers] == [None, None]
    optional = {"seed", "max_tokens", "max_completion_tokens"}
    assert [sorted(body.keys() & optional) for body in server.request_bodies] == [
        ["max_tokens", "seed"],
        ["max_tokens"],
        *[["max_completion_tokens"]] * 2,
    ]


@pytest.mark.parametrize("name", ["o3", "o4-mini", "gpt-5", "gpt-5.4-mini-2026-03-17", "openai/gpt-5.1"])
def test_a_reasoning_model_is_sent_neither_seed_nor_max_tokens(name: str) -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        describe_fire(OpenAICompatibleDescriber(Chat(name, server.url, KEY)), 1)
    [body] = server.request_bodies
    assert sorted(body) == ["max_completion_tokens", "messages", "model", "response_format"]
    assert body["max_completion_tokens"] == 1024 + 8192


def test_lost_connections_server_errors_and_rate_limits_are_retried() -> None:
    script = [
        chat_server.good_reply,
        chat_server.dropped_reply,
        chat_server.server_error,
        chat_server.rate_limit_error,
        chat_server.good_reply,
    ]
    with chat_server.serve_chat(*script) as server:
        answers = describe_fire(model(server.url), 1, 1)
    assert ([answer.model for answer in answers], len(server.request_bodies)) == ([chat_server.MODEL] * 2, 5)


def test_a_rate_limit_is_retried_more_often_than_a_server_error() -> None:
    with chat_server.serve_chat(*[chat_server.rate_limit_error] * 10, chat_server.good_reply) as server:
        describe_fire(model(server.url, max_retries=3), 1)
    assert len(server.request_bodies) == 11
    with chat_server.serve_chat(chat_server.server_error) as server, pytest.raises(NoReplyError, match="status 500"):
        describe_fire(model(server.url, max_retries=3), 1)
    assert requested_formats(server) == [
        *["json_schema"] * 4,
        None,
    ]  # the last one to see whether the format is at fault


def test_one_chat_keeps_its_connection_for_successive_questions() -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        describe_fire(model(server.url), 1, 2, 3)
    assert len(set(server.client_ports)) == 1


def test_when_a_server_asks_to_wait_every_question_waits() -> None:
    with chat_server.serve_chat(chat_server.retry_in_half_a_second, chat_server.good_reply) as server:
        describer = model(server.url)

        async def work() -> float:
            async with describer:
                first = asyncio.create_task(describer.describe(FIRE, 1))
                while not server.request_bodies:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
                started = time.monotonic()
                await describer.describe(FIRE, 2)
                await first
                return time.monotonic() - started

        assert asyncio.run(work()) > 0.3


def test_no_question_is_sent_when_the_rate_limit_headers_leave_no_room() -> None:
    with chat_server.serve_chat(chat_server.last_reply_of_the_minute, chat_server.good_reply) as server:
        started = time.monotonic()
        describe_fire(model(server.url), 1, 2)
    assert 0.4 < time.monotonic() - started < 2
    assert len(server.request_bodies) == 2


def test_a_server_that_asks_to_wait_for_an_hour_ends_the_run() -> None:
    with pytest.raises(DescriberError, match=r"asks for a pause of 60 minutes: wait, then run the same command"):
        ask_with_retries(chat_server.retry_in_an_hour)


def test_a_server_that_goes_away_ends_the_run() -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        describer = model(server.url, max_retries=2)
        describe_fire(describer, 1)
    with pytest.raises(DescriberError, match=r"stopped answering: restart it, then run the same command"):
        describe_fire(describer, 2)


def test_a_local_server_needs_no_key() -> None:
    with chat_server.serve_chat(chat_server.good_reply) as server:
        assert describe_fire(model(server.url, None), 1)[0].model == chat_server.MODEL


def test_a_chat_is_usable_inside_its_block_only() -> None:
    with pytest.raises(RuntimeError, match="inside `async with Chat"):
        asyncio.run(Chat("some-model", "http://127.0.0.1:1/v1").ask([], seed=0, schema=None, max_tokens=1))


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (
            chat_server.bad_key_error,
            "HOST rejected the API key: set a valid OPENAI_API_KEY, or describe without a key: OFFLINE. It says: "
            "Incorrect API key provided: [key].",
        ),
        (
            chat_server.unknown_model_error,
            "HOST has no model 'some-model': check the name and --base-url. It says: The model some-model does not "
            "exist",
        ),
        (
            chat_server.no_quota_error,
            "The account at HOST has no quota left: add credit, or describe without a key: OFFLINE. It says: "
            "You exceeded your current quota",
        ),
        (
            chat_server.no_credit_error,
            "The account at HOST has no quota left: add credit, or describe without a key: OFFLINE. It says: "
            "Insufficient credits",
        ),
    ],
)
def test_an_error_that_no_retry_can_fix_ends_the_run(behaviour: Behaviour, sentence: str) -> None:
    with chat_server.serve_chat(behaviour) as server, pytest.raises(DescriberError) as caught:
        describe_fire(model(server.url), 1)
    assert len(server.request_bodies) == 1
    host = server.url.removeprefix("http://").removesuffix("/v1")
    assert str(caught.value) == sentence.replace("HOST", host).replace("OFFLINE", OFFLINE)


def test_a_missing_key_is_reported_before_anything_is_sent() -> None:
    with pytest.raises(DescriberError) as caught:
        describe_fire(make_describer("gpt-4o"), 1)
    advice = f"set OPENAI_API_KEY (in Python: api_key), or describe without a key: {OFFLINE}."
    assert str(caught.value) == f"gpt-4o needs a key: {advice}"


@pytest.mark.parametrize(
    "address", ["localhost:8000/v1", "http://", "http://127.0.0.1:port/v1", "ftp://host/v1", "http://a\nb/v1"]
)
def test_an_invalid_address_is_reported_before_the_run(address: str) -> None:
    with pytest.raises(DescriberError, match=r"^The server address is not valid: give --base-url as in http://"):
        make_describer("some-model", address)


@pytest.mark.parametrize("key", ["sk-\nsecret", "sk-sécret"])
def test_an_invalid_key_is_reported_without_showing_it(key: str) -> None:
    with pytest.raises(DescriberError) as caught:
        make_describer("gpt-4o", api_key=key)
    assert str(caught.value) == "The API key contains invalid characters: check OPENAI_API_KEY."


def test_an_unreachable_server_ends_the_run_without_showing_a_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DescriberError) as caught:
        describe_fire(model(f"http://me:hidden@127.0.0.1:{port}/v1"), 1)
    assert str(caught.value) == f"No server answers at 127.0.0.1:{port}: start it, or check --base-url."


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (chat_server.server_error, "answered with status 500: Internal error while serving [key]"),
        (chat_server.rate_limit_error, "limits the request rate: try again later or lower --concurrency."),
        (chat_server.refused_reply, "The reply is a refusal: I can't help with that."),
        (chat_server.filtered_reply, "The server's content filter withheld the reply."),
        (chat_server.truncated_reply, "The reply was cut off after 1024 tokens: raise --max-tokens."),
        (chat_server.malformed_reply, "The reply is not a JSON object: The first letter, it seems."),
        (chat_server.reply_without_choices, "The server's answer contains no reply: upstream failed"),
        (chat_server.web_page_reply, "sent a reply that is not JSON: check --base-url."),
        (chat_server.half_json_reply, "sent a reply that is not JSON: check --base-url."),
        (chat_server.dropped_reply, "was lost before the reply: run the same command again to continue."),
    ],
)
def test_an_error_about_one_head_does_not_end_the_run(behaviour: Behaviour, sentence: str) -> None:
    with pytest.raises(ReplyError) as caught:
        ask(behaviour)
    assert sentence in str(caught.value)


def test_a_reply_that_is_too_slow_is_given_up() -> None:
    with pytest.raises(ReplyError, match=r"gave no reply within 0\.1 seconds: "):
        ask(chat_server.slow_reply, timeout=0.1)


def replies(answer: object) -> Behaviour:
    return lambda _body: JSONResponse(answer)


def refuses(name: str, body: object) -> Behaviour:
    """A good description, unless the request has that parameter."""
    return lambda request: JSONResponse(body, 422) if name in request else chat_server.good_reply(request)


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]},
        {"error": "seed unsupported"},
        {"detail": "seed unsupported"},
        {"message": {"detail": "seed unsupported"}},
    ],
)
def test_a_refused_parameter_is_found_in_every_form_of_error(body: object) -> None:
    with chat_server.serve_chat(refuses("seed", body)) as server:
        assert describe_fire(model(server.url), 1)[0].seed is None
    assert len(server.request_bodies) == 2


def test_a_server_without_token_limits_is_sent_none_unless_the_cost_is_limited() -> None:
    def neither(body: dict[str, Any]) -> Response:
        known = [name for name in ("max_tokens", "max_completion_tokens") if name in body]
        return chat_server.error_response(400, f"{known[0]} unknown") if known else chat_server.good_reply(body)

    with chat_server.serve_chat(neither) as server:
        describe_fire(model(server.url), 1)
        assert "max_tokens" not in server.request_bodies[-1]
        limited = Chat("some-model", server.url, KEY, budget=Budget(Price(1, 1), cost_limit=1.0))
        with pytest.raises(DescriberError, match=r"accepts no limit on the length of replies, so --max-cost"):
            describe_fire(OpenAICompatibleDescriber(limited), 1)


def test_a_403_is_about_the_key_until_the_server_has_answered_and_then_about_one_question() -> None:
    def forbidden(_body: dict[str, Any]) -> Response:
        return chat_server.error_response(403, "Not for you")

    with chat_server.serve_chat(chat_server.good_reply, forbidden) as server:
        with pytest.raises(ReplyError, match=r"answered with status 403: Not for you$"):
            describe_fire(model(server.url), 1, 2)
        with pytest.raises(DescriberError, match="rejected the API key"):
            describe_fire(model(server.url), 1)


def test_a_key_that_a_server_repeats_is_in_no_answer_and_no_error() -> None:
    description = {**chat_server.DESCRIPTION, "Observed pattern": f"key Bearer {KEY}"}
    good = json.loads(bytes(chat_server.completion_response(json.dumps(description)).body))
    answer = ask(replies({**good, "model": f"m {KEY}"}))
    assert (answer.description.observed_pattern, answer.model) == ("key Bearer [key]", "m [key]")
    for behaviour in (
        lambda _body: chat_server.completion_response(None, refusal=f"no {KEY}"),
        lambda _body: chat_server.completion_response(f"{KEY} it is"),
        lambda _body: chat_server.error_response(400, f"Incorrect key {KEY[:-1]}*"),
    ):
        with pytest.raises(ReplyError, match=r"\[key\]") as caught:
            ask(behaviour)
        assert KEY[:-1] not in str(caught.value)


def test_lone_surrogates_and_deep_nesting_affect_one_question_at_most() -> None:
    good = json.loads(bytes(chat_server.good_reply({}).body))
    half = Response(json.dumps({**good, "model": "bad\ud800name"}), media_type="application/json")
    assert ask(lambda _body: half).model == "bad\\ud800name"
    for depth in (900, 980, 100_000):
        deep = Response("[" * depth + "]" * depth, media_type="application/json")
        with pytest.raises(ReplyError):
            ask(lambda _body, deep=deep: deep)  # type: ignore[misc]


@pytest.mark.parametrize("address", ["https://api.openai.com/v1/", "https://API.openai.com:443/v1"])
def test_openai_needs_a_key_however_its_address_is_written(address: str) -> None:
    with pytest.raises(DescriberError, match="needs a key"):
        describe_fire(make_describer("gpt-4o", address), 1)


def test_a_model_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(DescriberError, match=r"^The model name is not valid UTF-8"):
        make_describer("x\udcff")


def test_an_unreachable_proxy_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(DescriberError, match=r"models\.example cannot be reached through the proxy"):
        describe_fire(model("http://models.example/v1"), 1)


def test_a_very_long_wait_is_not_given_in_minutes() -> None:
    def wait(_body: dict[str, Any]) -> Response:
        return chat_server.error_response(429, "slow", retry_after="9" * 20)

    with pytest.raises(DescriberError, match="asks for a pause of more than a day"):
        ask_with_retries(wait)


@pytest.mark.parametrize("behaviour", [chat_server.bad_key_error, chat_server.server_error])
def test_the_key_is_in_no_error(behaviour: Behaviour) -> None:
    with pytest.raises((DescriberError, ReplyError)) as caught:
        ask(behaviour)
    assert KEY not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_a_script_is_followed_and_its_end_is_an_error() -> None:
    answer = Answer(Description("a", "b", "c"), "v1")
    describer = ScriptedDescriber([answer, ReplyError("refused")])
    assert asyncio.run(describer.describe(FIRE, 1)) == answer
    with pytest.raises(ReplyError, match="refused"):
        asyncio.run(describer.describe(FIRE, 2))
    with pytest.raises(DescriberError, match="no more answers"):
        asyncio.run(describer.describe(FIRE, 3))
    assert describer.questions == [((5,), 1), ((5,), 2), ((5,), 3)]


def test_describers_are_made_by_name() -> None:
    assert [make_describer(name).name for name in ("offline", "gpt-4o")] == ["offline", "gpt-4o"]
    assert isinstance(make_describer("offline"), OfflineDescriber)


@pytest.mark.slow
def test_an_error_message_of_a_server_is_escaped_for_the_terminal() -> None:
    with pytest.raises(ReplyError, match=r"status 400: \\u001B\[31mred$"):
        ask(lambda _body: chat_server.error_response(400, "\x1b[31mred"))
