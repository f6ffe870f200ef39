"""The parts of a chat: the rate gate, the request options, the reading of answers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from maps.errors import ReplyError
from maps.llm.messages import Message
from maps.llm.rate_gate import RateGate, backoff_seconds, parse_duration, requested_wait
from maps.llm.replies import TokenUsage, reply_text, token_usage
from maps.llm.request import ChatRequest, ReplyFormat, RequestOptions

QUESTION = ChatRequest([Message(role="user", content="What?")], 3, {"type": "object"}, 100)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("1d", 86400), ("2.5", 2.5), ("-1", 0),
     ("", None), ("soon", None), ("1.2.3s", None), ("inf", None), ("nan", None),
     ("9" * 5000, None), ("9" * 5000 + "d", None)],
)  # fmt: skip
def test_durations_in_rate_limit_headers_are_parsed(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == (None if seconds is None else pytest.approx(seconds))


def test_a_server_can_ask_for_a_wait_in_three_ways() -> None:
    assert requested_wait({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert requested_wait({"retry-after": "9"}) == 9
    later = requested_wait({"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)})
    assert later is not None
    assert 57 < later <= 60
    assert requested_wait({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert [requested_wait(headers) for headers in ({}, {"retry-after": "tomorrow"})] == [None, None]


def test_a_gate_stays_closed_for_the_longest_wait() -> None:
    async def work() -> float:
        gate = RateGate()
        gate.close_for(0.2)
        gate.close_for(0.05)
        started = time.monotonic()
        await asyncio.gather(*(gate.wait_until_open() for _ in range(5)))
        return time.monotonic() - started

    assert 0.2 <= asyncio.run(work()) < 0.5


@pytest.mark.parametrize(
    ("headers", "closed"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "200ms"}, True),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "200ms"}, False),
        ({"x-ratelimit-remaining-tokens": "99", "x-ratelimit-reset-tokens": "0.2"}, True),
        ({"x-ratelimit-remaining-tokens": "100", "x-ratelimit-reset-tokens": "0.2"}, False),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "24h"}, False),
        ({"x-ratelimit-remaining-requests": "few"}, False),
        ({"x-ratelimit-remaining-requests": "9" * 5000, "x-ratelimit-reset-requests": "200ms"}, False),
    ],
)
def test_a_gate_closes_when_the_rate_limit_leaves_no_room(headers: dict[str, str], closed: bool) -> None:
    async def work() -> float:
        gate = RateGate()
        gate.close_if_exhausted(headers, 100)
        started = time.monotonic()
        await gate.wait_until_open()
        return time.monotonic() - started

    assert (asyncio.run(work()) > 0.15) is closed


def test_waits_grow_up_to_thirty_seconds() -> None:
    waits = [backoff_seconds(0.5, attempt) for attempt in range(2000)]
    assert all(0.25 <= wait <= 0.5 for wait in waits[:1])
    assert all(15 <= wait <= 30 for wait in waits[6:])


@pytest.mark.parametrize(
    ("refusal", "remaining"),
    [
        ("Unknown parameter: 'response_format.json_schema'", RequestOptions(reply_format=ReplyFormat.JSON_WITH_SCHEMA)),
        ("Unsupported value: 'seed'", RequestOptions(sends_seed=False)),
        ("Use 'max_completion_tokens' instead of 'max_tokens'", RequestOptions(limit_names=("max_completion_tokens",))),
        ("seedling is not a word", RequestOptions(reply_format=ReplyFormat.JSON_WITH_SCHEMA)),
        ("Bad request", RequestOptions(reply_format=ReplyFormat.JSON_WITH_SCHEMA)),
    ],
)
def test_a_parameter_that_a_refusal_names_is_left_out(refusal: str, remaining: RequestOptions) -> None:
    options = RequestOptions()
    assert options.without_refused(refusal, "", options.request_body("m", QUESTION)) == remaining


def test_a_refusal_is_final_when_nothing_can_be_left_out() -> None:
    bare = RequestOptions(ReplyFormat.TEXT, sends_seed=False, limit_names=("max_tokens",))
    request = bare.request_body("m", QUESTION)
    assert request == {"model": "m", "messages": QUESTION.messages, "max_tokens": 100}
    assert bare.without_refused("Bad request", "", request) is None
    assert bare.without_refused("max_tokens is too large", "", request) is None
    without_limit = bare.without_refused("max_tokens unknown", "", request)
    assert without_limit == replace(bare, limit_names=())
    assert without_limit.request_body("m", QUESTION) == {"model": "m", "messages": QUESTION.messages}
    assert without_limit.without_refused("max_tokens unknown", "", without_limit.request_body("m", QUESTION)) is None
    full = RequestOptions()
    code = "context_length_exceeded"
    assert full.without_refused("Too many tokens", code, full.request_body("m", QUESTION)) is None


def test_a_given_token_limit_replaces_the_default_one() -> None:
    assert RequestOptions.for_model("some-model", 300).request_body("some-model", QUESTION)["max_tokens"] == 300
    assert RequestOptions.for_model("gpt-5", 300).request_body("gpt-5", QUESTION)["max_completion_tokens"] == 300
    assert RequestOptions.for_model("gpt-5").max_reply_tokens(QUESTION) == 100 + 8192


def test_options_left_out_for_two_questions_are_combined() -> None:
    first = RequestOptions(reply_format=ReplyFormat.TEXT)
    second = RequestOptions(sends_seed=False, limit_names=("max_completion_tokens",))
    combined = RequestOptions(ReplyFormat.TEXT, False, ("max_completion_tokens",))
    assert first.combined_with(second) == second.combined_with(first) == combined


def test_a_question_without_a_schema_sends_no_response_format() -> None:
    assert "response_format" not in RequestOptions().request_body("m", replace(QUESTION, schema=None))


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"choices": {}}, {"choices": []}, {"choices": [None]}])
def test_an_answer_of_another_shape_contains_no_reply(answer: object) -> None:
    with pytest.raises(ReplyError, match=r"^The server's answer contains no reply\.$"):
        reply_text(answer, 10)
    assert token_usage(answer) == TokenUsage(None, None, 0)


@pytest.mark.parametrize("message", [None, {}, {"content": None}, {"content": [{"image": "a"}]}, {"content": "  "}])
def test_a_reply_without_text_is_empty(message: object) -> None:
    with pytest.raises(ReplyError, match=r"^The reply is empty\.$"):
        reply_text({"choices": [{"message": message}]}, 10)


def test_token_counts_are_read_if_they_are_numbers() -> None:
    usage = {"prompt_tokens": 2000, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1024}}
    assert token_usage({"usage": usage}) == TokenUsage(2000, 3, 1024)
    assert token_usage({"usage": {"prompt_tokens": -1, "completion_tokens": True}}) == TokenUsage(None, None, 0)
