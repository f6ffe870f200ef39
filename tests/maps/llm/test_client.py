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
from maps.llm.rate_gate import Gate, asked_to_wait, back_off, seconds_of
from maps.llm.replies import Usage, content_of, usage_of
from maps.llm.request import Format, Question, Terms

QUESTION = Question([Message(role="user", content="What?")], 3, {"type": "object"}, 100)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("1d", 86400), ("2.5", 2.5), ("-1", 0),
     ("", None), ("soon", None), ("1.2.3s", None), ("inf", None), ("nan", None),
     ("9" * 5000, None), ("9" * 5000 + "d", None)],
)  # fmt: skip
def test_durations_are_read_as_rate_limit_headers_write_them(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == (None if seconds is None else pytest.approx(seconds))


def test_a_server_says_in_three_ways_how_long_to_wait() -> None:
    assert asked_to_wait({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert asked_to_wait({"retry-after": "9"}) == 9
    later = asked_to_wait({"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)})
    assert later is not None
    assert 57 < later <= 60
    assert asked_to_wait({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert [asked_to_wait(headers) for headers in ({}, {"retry-after": "tomorrow"})] == [None, None]


def test_a_gate_keeps_everybody_back_for_the_longest_wait() -> None:
    async def work() -> float:
        gate = Gate()
        gate.close(0.2)
        gate.close(0.05)
        started = time.monotonic()
        await asyncio.gather(*(gate.passed() for _ in range(5)))
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
        gate = Gate()
        gate.heed(headers, 100)
        started = time.monotonic()
        await gate.passed()
        return time.monotonic() - started

    assert (asyncio.run(work()) > 0.15) is closed


def test_waits_grow_up_to_thirty_seconds() -> None:
    waits = [back_off(0.5, attempt) for attempt in range(2000)]
    assert all(0.25 <= wait <= 0.5 for wait in waits[:1])
    assert all(15 <= wait <= 30 for wait in waits[6:])


@pytest.mark.parametrize(
    ("complaint", "left"),
    [
        ("Unknown parameter: 'response_format.json_schema'", Terms(format=Format.JSON)),
        ("Unsupported value: 'seed'", Terms(seed=False)),
        ("Use 'max_completion_tokens' instead of 'max_tokens'", Terms(limits=("max_completion_tokens",))),
        ("seedling is no word", Terms(format=Format.JSON)),
        ("Bad request", Terms(format=Format.JSON)),
    ],
)
def test_what_a_refusal_names_is_left_out(complaint: str, left: Terms) -> None:
    assert Terms().without(complaint, "", Terms().body("m", QUESTION)) == left


def test_where_nothing_is_left_to_leave_out_the_refusal_stands() -> None:
    bare = Terms(Format.TEXT, seed=False, limits=("max_tokens",))
    sent = bare.body("m", QUESTION)
    assert sent == {"model": "m", "messages": QUESTION.messages, "max_tokens": 100}
    assert bare.without("Bad request", "", sent) is None
    assert bare.without("max_tokens is too large", "", sent) is None
    without_limit = bare.without("max_tokens unknown", "", sent)
    assert without_limit == replace(bare, limits=())
    assert without_limit.body("m", QUESTION) == {"model": "m", "messages": QUESTION.messages}
    assert without_limit.without("max_tokens unknown", "", without_limit.body("m", QUESTION)) is None
    assert Terms().without("Too many tokens", "context_length_exceeded", Terms().body("m", QUESTION)) is None


def test_a_limit_of_ones_own_takes_the_place_of_the_known_one() -> None:
    assert Terms.of("some-model", 300).body("some-model", QUESTION)["max_tokens"] == 300
    assert Terms.of("gpt-5", 300).body("gpt-5", QUESTION)["max_completion_tokens"] == 300
    assert Terms.of("gpt-5").most(QUESTION) == 100 + 8192


def test_what_two_questions_learned_is_kept_together() -> None:
    one, other = Terms(format=Format.TEXT), Terms(seed=False, limits=("max_completion_tokens",))
    assert one.joined(other) == other.joined(one) == Terms(Format.TEXT, False, ("max_completion_tokens",))


def test_a_question_without_a_schema_asks_for_no_form() -> None:
    assert "response_format" not in Terms().body("m", replace(QUESTION, schema=None))


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"choices": {}}, {"choices": []}, {"choices": [None]}])
def test_an_answer_of_any_shape_is_read(answer: object) -> None:
    with pytest.raises(ReplyError, match=r"^The server's answer holds no reply\.$"):
        content_of(answer, 10)
    assert usage_of(answer) == Usage(None, None, 0)


@pytest.mark.parametrize("message", [None, {}, {"content": None}, {"content": [{"text": "a"}]}, {"content": "  "}])
def test_a_reply_without_text_is_empty(message: object) -> None:
    with pytest.raises(ReplyError, match=r"^The reply is empty\.$"):
        content_of({"choices": [{"message": message}]}, 10)


def test_tokens_are_read_where_they_are_numbers() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 1024}}
    assert usage_of({"usage": {"prompt_tokens": 2000, "completion_tokens": 3} | details}) == Usage(2000, 3, 1024)
    assert usage_of({"usage": {"prompt_tokens": -1, "completion_tokens": True}}) == Usage(None, None, 0)
