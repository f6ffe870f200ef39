"""The parts of a chat: the gate, the terms, what a server's answer says."""

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
def test_durations_are_read_as_rate_limit_headers_write_them(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == (None if seconds is None else pytest.approx(seconds))


def test_a_server_says_in_three_ways_how_long_to_wait() -> None:
    assert requested_wait({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert requested_wait({"retry-after": "9"}) == 9
    later = requested_wait({"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)})
    assert later is not None
    assert 57 < later <= 60
    assert requested_wait({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert [requested_wait(headers) for headers in ({}, {"retry-after": "tomorrow"})] == [None, None]


def test_a_gate_keeps_everybody_back_for_the_longest_wait() -> None:
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
def test_a_gate_closes_where_the_limits_leave_no_room(headers: dict[str, str], closed: bool) -> None:
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
    ("complaint", "left"),
    [
        ("Unknown parameter: 'response_format.json_schema'", RequestOptions(reply_format=ReplyFormat.JSON)),
        ("Unsupported value: 'seed'", RequestOptions(sends_seed=False)),
        ("Use 'max_completion_tokens' instead of 'max_tokens'", RequestOptions(limit_names=("max_completion_tokens",))),
        ("seedling is no word", RequestOptions(reply_format=ReplyFormat.JSON)),
        ("Bad request", RequestOptions(reply_format=ReplyFormat.JSON)),
    ],
)
def test_what_a_refusal_names_is_left_out(complaint: str, left: RequestOptions) -> None:
    assert RequestOptions().without_refused(complaint, "", RequestOptions().request_body("m", QUESTION)) == left


def test_where_nothing_is_left_to_leave_out_the_refusal_stands() -> None:
    bare = RequestOptions(ReplyFormat.TEXT, sends_seed=False, limit_names=("max_tokens",))
    sent = bare.request_body("m", QUESTION)
    assert sent == {"model": "m", "messages": QUESTION.messages, "max_tokens": 100}
    assert bare.without_refused("Bad request", "", sent) is None
    assert bare.without_refused("max_tokens is too large", "", sent) is None
    without_limit = bare.without_refused("max_tokens unknown", "", sent)
    assert without_limit == replace(bare, limit_names=())
    assert without_limit.request_body("m", QUESTION) == {"model": "m", "messages": QUESTION.messages}
    assert without_limit.without_refused("max_tokens unknown", "", without_limit.request_body("m", QUESTION)) is None
    assert (
        RequestOptions().without_refused(
            "Too many tokens", "context_length_exceeded", RequestOptions().request_body("m", QUESTION)
        )
        is None
    )


def test_a_limit_of_ones_own_takes_the_place_of_the_known_one() -> None:
    assert RequestOptions.for_model("some-model", 300).request_body("some-model", QUESTION)["max_tokens"] == 300
    assert RequestOptions.for_model("gpt-5", 300).request_body("gpt-5", QUESTION)["max_completion_tokens"] == 300
    assert RequestOptions.for_model("gpt-5").max_reply_tokens(QUESTION) == 100 + 8192


def test_what_two_questions_learned_is_kept_together() -> None:
    one, other = (
        RequestOptions(reply_format=ReplyFormat.TEXT),
        RequestOptions(sends_seed=False, limit_names=("max_completion_tokens",)),
    )
    assert (
        one.combined_with(other)
        == other.combined_with(one)
        == RequestOptions(ReplyFormat.TEXT, False, ("max_completion_tokens",))
    )


def test_a_question_without_a_schema_asks_for_no_form() -> None:
    assert "response_format" not in RequestOptions().request_body("m", replace(QUESTION, schema=None))


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"choices": {}}, {"choices": []}, {"choices": [None]}])
def test_an_answer_of_any_shape_is_read(answer: object) -> None:
    with pytest.raises(ReplyError, match=r"^The server's answer holds no reply\.$"):
        reply_text(answer, 10)
    assert token_usage(answer) == TokenUsage(None, None, 0)


@pytest.mark.parametrize("message", [None, {}, {"content": None}, {"content": [{"text": "a"}]}, {"content": "  "}])
def test_a_reply_without_text_is_empty(message: object) -> None:
    with pytest.raises(ReplyError, match=r"^The reply is empty\.$"):
        reply_text({"choices": [{"message": message}]}, 10)


def test_tokens_are_read_where_they_are_numbers() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 1024}}
    assert token_usage({"usage": {"prompt_tokens": 2000, "completion_tokens": 3} | details}) == TokenUsage(
        2000, 3, 1024
    )
    assert token_usage({"usage": {"prompt_tokens": -1, "completion_tokens": True}}) == TokenUsage(None, None, 0)
