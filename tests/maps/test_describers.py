"""The describers: a model behind a real server on loopback, the offline rules, the script."""

from __future__ import annotations

import asyncio
import socket

import pytest

from maps.describers import DescriberError, describer_named
from maps.describers.offline import Offline
from maps.describers.openai_compatible import OpenAICompatible
from maps.describers.scripted import Scripted
from maps.prompts import ReplyError, messages, prompt_hash
from maps.types import Answer, Description, Mapping
from tests import chat_server
from tests.chat_server import Behaviour

KEY = "sk-secret"
FIRE = [Mapping(1, 5, " fire", 2.0, (6,), (" f",), (0.5,))]


def ask(*script: Behaviour, timeout: float = 5.0) -> Answer:
    with chat_server.chat_server(*script) as server:
        describer = OpenAICompatible("some-model", server.url, KEY, timeout=timeout, max_retries=0)
        return asyncio.run(describer.describe(FIRE, 3))


def test_a_description_comes_with_its_provenance() -> None:
    assert ask(chat_server.answer) == Answer(
        Description("Words.", "The first letter.", "Seen often."),
        model=chat_server.MODEL,
        support=None,
        prompt_hash=prompt_hash(messages(FIRE)),
        seed=3,
        prompt_tokens=700,
        completion_tokens=60,
        cost_usd=None,
    )


def test_the_server_gets_the_question_the_seed_and_the_key() -> None:
    with chat_server.chat_server(chat_server.answer) as server:
        asyncio.run(OpenAICompatible("some-model", server.url, KEY).describe(FIRE, 3))
    expected = {
        "model": "some-model",
        "messages": messages(FIRE),
        "max_tokens": 1024,
        "seed": 3,
        "response_format": {"type": "json_object"},
    }
    assert (server.bodies, server.keys) == ([expected], ["Bearer sk-secret"])


def test_a_server_without_json_mode_is_asked_in_plain_text_from_then_on() -> None:
    with chat_server.chat_server(chat_server.no_json_mode) as server:
        describer = OpenAICompatible("some-model", server.url, KEY)
        answers = [asyncio.run(describer.describe(FIRE, seed)) for seed in (1, 2)]
    assert [answer.description.observed_pattern for answer in answers] == ["The first letter."] * 2
    assert ["response_format" in body for body in server.bodies] == [True, False, False]


def test_one_question_that_is_too_long_does_not_end_json_mode() -> None:
    script = [chat_server.too_long, chat_server.too_long, chat_server.answer]
    with chat_server.chat_server(*script) as server:
        describer = OpenAICompatible("some-model", server.url, KEY)
        with pytest.raises(ReplyError, match=r"status 400: .*maximum context length exceeded"):
            asyncio.run(describer.describe(FIRE, 1))
        asyncio.run(describer.describe(FIRE, 1))
    assert ["response_format" in body for body in server.bodies] == [True, False, True]


def test_lost_connections_server_errors_and_rate_limits_are_retried() -> None:
    script = [chat_server.broken, chat_server.rate_limit, chat_server.answer]
    with chat_server.chat_server(*script) as server:
        answer = asyncio.run(OpenAICompatible("some-model", server.url, KEY).describe(FIRE, 1))
    assert (answer.model, len(server.bodies)) == (chat_server.MODEL, 3)


def test_a_server_of_ones_own_needs_no_key() -> None:
    with chat_server.chat_server(chat_server.answer) as server:
        answer = asyncio.run(OpenAICompatible("some-model", server.url).describe(FIRE, 1))
    assert answer.model == chat_server.MODEL


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (
            chat_server.bad_key,
            "HOST refused the key: set a valid OPENAI_API_KEY, or describe without a key: --describer offline.",
        ),
        (chat_server.unknown_model, "HOST knows no model 'some-model': check --describer and --base-url."),
        (
            chat_server.no_quota,
            "The account at HOST has no quota left: add credit, or describe without a key: --describer offline.",
        ),
        (
            chat_server.no_credit,
            "The account at HOST has no quota left: add credit, or describe without a key: --describer offline.",
        ),
    ],
)
def test_what_no_further_asking_mends_ends_the_run(behaviour: Behaviour, sentence: str) -> None:
    with chat_server.chat_server(behaviour) as server:
        describer = OpenAICompatible("some-model", server.url, KEY, max_retries=0)
        with pytest.raises(DescriberError) as caught:
            asyncio.run(describer.describe(FIRE, 1))
    host = server.url.removeprefix("http://").removesuffix("/v1")
    assert str(caught.value) == sentence.replace("HOST", host)


def test_no_key_is_told_before_anything_is_sent() -> None:
    with pytest.raises(DescriberError) as caught:
        asyncio.run(describer_named("gpt-4o").describe(FIRE, 1))
    sentence = "gpt-4o needs a key: set OPENAI_API_KEY, or describe without a key: --describer offline."
    assert str(caught.value) == sentence


@pytest.mark.parametrize("address", ["localhost:8000/v1", "http://", "http://127.0.0.1:port/v1", "ftp://host/v1"])
def test_an_address_that_is_none_is_told_before_the_run(address: str) -> None:
    with pytest.raises(DescriberError, match=r"^The server's address is none: write --base-url as in http://"):
        describer_named("some-model", address)


@pytest.mark.parametrize("key", ["sk-\nsecret", "sk-sécret"])
def test_a_key_that_cannot_be_sent_is_told_without_showing_it(key: str) -> None:
    with pytest.raises(DescriberError) as caught:
        describer_named("gpt-4o", api_key=key)
    assert str(caught.value) == "The key holds characters that no key has: check OPENAI_API_KEY."


def test_a_server_that_is_not_there_ends_the_run_without_telling_a_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    describer = OpenAICompatible("some-model", f"http://me:hidden@127.0.0.1:{port}/v1", KEY, max_retries=0)
    with pytest.raises(DescriberError) as caught:
        asyncio.run(describer.describe(FIRE, 1))
    assert str(caught.value) == f"No server answers at 127.0.0.1:{port}: start it, or check --base-url."


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (chat_server.broken, "answered with status 500: Error code: 500"),
        (chat_server.rate_limit, "limits the rate of questions: ask again later or with less --concurrency."),
        (chat_server.refusal, "The describer refused: I can't help with that."),
        (chat_server.filtered, "The server's content filter withheld the reply."),
        (chat_server.truncated, "The reply was cut off after 1024 tokens."),
        (chat_server.malformed, "The reply is no JSON object: The first letter, it seems."),
        (chat_server.no_choices, "The server's answer holds no reply."),
        (chat_server.web_page, "The server's answer holds no reply."),
        (chat_server.half_json, "answered with a body that is no JSON."),
        (chat_server.drop, "was lost before the reply."),
    ],
)
def test_what_concerns_one_head_leaves_the_run_alone(behaviour: Behaviour, sentence: str) -> None:
    with pytest.raises(ReplyError) as caught:
        ask(behaviour)
    assert sentence in str(caught.value)


def test_a_reply_that_is_too_slow_is_given_up() -> None:
    with pytest.raises(ReplyError, match=r"gave no reply within 0\.1 seconds\.$"):
        ask(chat_server.slow, timeout=0.1)


@pytest.mark.parametrize("behaviour", [chat_server.bad_key, chat_server.broken])
def test_the_key_is_in_no_error(behaviour: Behaviour) -> None:
    with pytest.raises((DescriberError, ReplyError)) as caught:
        ask(behaviour)
    assert KEY not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_a_script_is_followed_and_its_end_is_told() -> None:
    answer = Answer(Description("a", "b", "c"), "v1")
    describer = Scripted([answer, ReplyError("refused")])
    assert asyncio.run(describer.describe(FIRE, 1)) == answer
    with pytest.raises(ReplyError, match="refused"):
        asyncio.run(describer.describe(FIRE, 2))
    with pytest.raises(DescriberError, match="no further answers"):
        asyncio.run(describer.describe(FIRE, 3))
    assert describer.asked == [((5,), 1), ((5,), 2), ((5,), 3)]


def test_describers_are_chosen_by_name() -> None:
    assert [describer_named(name).name for name in ("offline", "gpt-4o")] == ["offline", "gpt-4o"]
    assert isinstance(describer_named("offline"), Offline)
