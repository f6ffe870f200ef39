"""Fewer questions at once while a server does not keep up: the rule, and whole runs against slow servers."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from maps.__main__ import main
from maps.atlas.reader import Atlas
from maps.describers.describe_atlas import DescribeSummary, describe_atlas
from maps.describers.openai_compatible import OpenAICompatibleDescriber
from maps.llm.client import Chat
from maps.llm.concurrency import ConcurrencyLimit, Place
from maps.types import Answer, Description
from tests import chat_server
from tests.chat_server import Behaviour, completion_response, error_response, good_reply, serve_chat
from tests.scripted import ScriptedDescriber


class OneSlot:
    """A server that works on one question at a time, in their order, also on those that were given up meanwhile."""

    def __init__(self, seconds: float, behaviour: Behaviour = good_reply) -> None:
        self.seconds, self.behaviour = seconds, behaviour
        self._next_ticket = self._served = 0
        self._turn = threading.Condition()

    def __call__(self, body: dict[str, Any]) -> Response:
        with self._turn:
            ticket, self._next_ticket = self._next_ticket, self._next_ticket + 1
            self._turn.wait_for(lambda: self._served == ticket)
        time.sleep(self.seconds)
        with self._turn:
            self._served += 1
            self._turn.notify_all()
        return self.behaviour(body)


def describe(folder: Path, url: str, notices: list[str], **options: Any) -> DescribeSummary:
    chat = Chat("some-model", url, "k", first_wait=0.01, on_notice=notices.append, **options)
    return describe_atlas(folder, OpenAICompatibleDescriber(chat), options.get("concurrency", 8))


@pytest.mark.parametrize("seconds", [0.2, pytest.param(0.4, marks=pytest.mark.slow)])
def test_a_server_with_one_slot_loses_no_head(seconds: float, atlas_folder: Path) -> None:
    notices: list[str] = []
    with serve_chat(OneSlot(seconds)) as server:
        run = describe(atlas_folder, server.url, notices, timeout=0.9)
        host = server.url.removeprefix("http://").removesuffix("/v1")
    assert (run.asked, run.failed) == (8, 0)
    [notice] = notices
    assert re.fullmatch(
        re.escape(host)
        + r" does not reply to 8 questions at once in time: [1-4] are asked at once now, and more again "
        r"when it keeps up\. The questions without a reply are asked again\.",
        notice,
    )


@pytest.mark.slow
def test_a_scorer_with_one_slot_loses_no_question_and_the_terminal_says_that_fewer_are_asked_at_once(
    atlas_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [Answer(Description("Words.", f"Pattern {n}.", ""), "scripted") for n in range(8)]
    describe_atlas(atlas_folder, ScriptedDescriber(answers))
    options = ["--no-random", "--timeout", "0.9", "--concurrency", "8"]
    with serve_chat(OneSlot(0.2, lambda _body: completion_response('{"belongs": [1]}'))) as server:
        assert main(["score", str(atlas_folder), "--scorer", "some-model", "--base-url", server.url, *options]) == 0
    printed = capsys.readouterr()
    assert "some-model was asked 16 questions now.\n" in printed.out
    assert printed.err.count(" questions at once in time: ") == 1


@pytest.mark.slow
def test_a_server_that_shares_its_speed_among_questions_loses_no_head(atlas_folder: Path) -> None:
    """No reply comes in time while more than two questions are open; questions that were given up are dropped."""
    open_count, lock = 0, threading.Lock()

    def shared(body: dict[str, Any]) -> Response:
        nonlocal open_count
        with lock:
            open_count += 1
        done, ends = 0.0, time.monotonic() + 0.7
        while done < 0.15 and time.monotonic() < ends:
            time.sleep(0.01)
            done += 0.01 / open_count
        with lock:
            open_count -= 1
        return good_reply(body)

    with serve_chat(shared) as server:
        run = describe(atlas_folder, server.url, [], timeout=0.6)
    assert (run.asked, run.failed) == (8, 0)


@pytest.mark.parametrize("status", [503, *(pytest.param(late, marks=pytest.mark.slow) for late in (504, 524, 408))])
def test_a_server_or_gateway_that_turns_further_questions_away_loses_no_head(status: int, atlas_folder: Path) -> None:
    slot = threading.Lock()
    notices: list[str] = []

    def turns_away(body: dict[str, Any]) -> Response:
        if not slot.acquire(blocking=False):
            return error_response(status, "no slot available", retry_after_ms="1")
        time.sleep(0.1)
        slot.release()
        return good_reply(body)

    with serve_chat(turns_away) as server:
        run = describe(atlas_folder, server.url, notices, max_retries=1, timeout=2.0)
    assert (run.asked, run.failed) == (8, 0)
    assert len(notices) == 1


def test_a_server_that_is_too_slow_for_one_question_fails_as_before(atlas_folder: Path) -> None:
    with serve_chat(chat_server.slow_reply) as server:
        run = describe(atlas_folder, server.url, [], timeout=0.05)
        bodies = len(server.request_bodies)
    assert (run.asked, run.failed) == (0, 8)
    assert bodies <= 8 * 4
    reasons = {row["reason"].partition(" gave ")[2] for row in Atlas.open(atlas_folder).table("failures").to_pylist()}
    assert reasons == {"no reply within 0.05 seconds: raise --timeout for a slow model."}


def test_one_slow_question_does_not_slow_the_others_for_long(atlas_folder: Path) -> None:
    slow_prompts: list[str] = []

    def one_slow(body: dict[str, Any]) -> Response:
        prompt = body["messages"][0]["content"]
        slow_prompts[:] = slow_prompts or [prompt]
        if prompt == slow_prompts[0]:
            time.sleep(1.2)
        return good_reply(body)

    with serve_chat(one_slow) as server:
        run = describe(atlas_folder, server.url, [], timeout=0.8, concurrency=4)
        asked = [body["messages"][0]["content"] for body in server.request_bodies]
    assert (run.asked, run.failed) == (7, 1)
    tries = asked.count(slow_prompts[0])
    assert 2 <= tries <= 4  # at most twice among others and twice alone
    assert len(asked) == 7 + tries


def limit_of(most: int, falls: list[tuple[int, int]] | None = None) -> ConcurrencyLimit:
    def note(before: int, after: int) -> None:
        if falls is not None:
            falls.append((before, after))

    return ConcurrencyLimit(most, 0.05, note)


async def hold_all(limit: ConcurrencyLimit, count: int, end: Callable[[Place], None]) -> None:
    async def hold(place: Place) -> None:
        async with limit.hold(place):
            place.started = time.monotonic()
            await asyncio.sleep(0.001)
            end(place)

    await asyncio.gather(*(hold(Place()) for _ in range(count)))


def test_late_replies_to_questions_of_one_time_halve_the_number_once() -> None:
    falls: list[tuple[int, int]] = []
    limit = limit_of(8, falls)

    async def work() -> list[int]:
        limits = []
        for _ in range(4):
            await hold_all(limit, limit.limit, limit.record_late_reply)
            limits.append(limit.limit)
        return limits

    # The last question was alone, and no reply has ever come: fewer at once do not help.
    assert asyncio.run(work()) == [4, 2, 1, 8]
    assert falls == [(8, 4)]


def test_the_number_rises_by_one_after_replies_in_a_row_and_more_slowly_after_each_fall() -> None:
    limit = limit_of(8)

    async def replies_until_rise() -> int:
        before, count = limit.limit, 0
        while limit.limit == before:
            await hold_all(limit, 1, limit.record_reply)
            count += 1
        return count

    async def work() -> list[int]:
        await hold_all(limit, 1, limit.record_reply)
        await hold_all(limit, 8, limit.record_late_reply)
        counts = [await replies_until_rise(), await replies_until_rise()]
        await hold_all(limit, 6, limit.record_late_reply)
        return [*counts, await replies_until_rise()]

    assert asyncio.run(work()) == [8, 8, 16]
    assert limit.limit == 4


def test_a_question_that_is_alone_holds_back_the_others() -> None:
    limit = limit_of(3)
    order: list[str] = []

    async def ask(name: str, is_alone: bool) -> None:
        async with limit.hold(Place(is_alone)):
            order.append(f"{name} begins")
            await asyncio.sleep(0.01)
            order.append(f"{name} ends")

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for name, is_alone in (("a", False), ("alone", True), ("b", False)):
                group.create_task(ask(name, is_alone))

    asyncio.run(work())
    assert order == ["a begins", "a ends", "alone begins", "alone ends", "b begins", "b ends"]


def test_a_cancelled_question_leaves_its_place() -> None:
    limit = limit_of(1)

    async def work() -> None:
        async def ask(is_alone: bool) -> None:
            async with limit.hold(Place(is_alone)):
                await asyncio.sleep(60)

        tasks = [asyncio.create_task(ask(is_alone)) for is_alone in (False, False, True)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(1), limit.hold(Place()):
            pass

    for _ in range(2):  # also in a second event loop
        asyncio.run(work())
