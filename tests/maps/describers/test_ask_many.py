"""Many heads, one describer."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

import pytest

from maps.describers.ask_many import ask_each, describe_heads, run_to_completion
from maps.describers.describer import Describer
from maps.errors import DescriberError, NoReplyError, ReplyError
from maps.types import Answer, Description, HeadId, Mapping
from tests.scripted import ScriptedDescriber

Log = list[tuple[HeadId, str] | tuple[HeadId, str, int]]


def answer(pattern: str) -> Answer:
    return Answer(Description("Words.", pattern, "Seen."), "scripted v1")


def heads(count: int) -> list[tuple[HeadId, list[Mapping]]]:
    return [(HeadId(0, h), [Mapping(1, h, "a", 1.0, (1,), ("b",), (0.5,))]) for h in range(count)]


def run(describer: Describer, count: int, seed: int = 0, concurrency: int = 1) -> Log:
    log: Log = []
    asyncio.run(
        describe_heads(
            heads(count),
            describer,
            on_answer=lambda head, reply: log.append((head, reply.description.observed_pattern)),
            on_failure=lambda head, reason, attempts: log.append((head, reason, attempts)),
            seed=seed,
            concurrency=concurrency,
        )
    )
    return log


def test_every_head_is_described_in_order() -> None:
    describer = ScriptedDescriber([answer("one"), answer("two")])
    assert run(describer, 2) == [(HeadId(0, 0), "one"), (HeadId(0, 1), "two")]
    assert describer.questions == [((0,), 0), ((1,), 0)]


def test_a_concurrency_far_above_the_number_of_questions_works() -> None:
    answers: list[int] = []

    async def ask(question: int, _seed: int) -> int:
        return question

    def fail(_question: int, reason: str, _attempts: int) -> None:
        raise AssertionError(reason)

    for questions in ([1, 2], []):
        asyncio.run(
            ask_each(questions, ask, on_answer=lambda _, n: answers.append(n), on_failure=fail, concurrency=10**9)
        )
    assert answers == [1, 2]


def test_a_bad_reply_is_asked_again_with_another_seed() -> None:
    describer = ScriptedDescriber([ReplyError("empty"), ReplyError("cut off"), answer("third")])
    assert run(describer, 1, seed=5) == [(HeadId(0, 0), "third")]
    assert describer.questions == [((0,), 5), ((0,), 6), ((0,), 7)]


def test_a_head_without_a_reply_in_three_attempts_is_a_failure_and_the_run_goes_on() -> None:
    describer = ScriptedDescriber([ReplyError("empty"), ReplyError("empty"), ReplyError("refused"), answer("next")])
    assert run(describer, 2) == [(HeadId(0, 0), "refused", 3), (HeadId(0, 1), "next")]


def test_a_question_that_the_server_never_answered_is_not_asked_with_another_seed() -> None:
    describer = ScriptedDescriber([ReplyError("empty"), NoReplyError("status 500"), answer("next")])
    assert run(describer, 2) == [(HeadId(0, 0), "status 500", 2), (HeadId(0, 1), "next")]


class Uneven:
    """The reply for the first head comes late; the second head ends the run at once."""

    name = "uneven"

    def __init__(self, late: Answer | ReplyError) -> None:
        self.late = late
        self.source_ids: list[int] = []

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        del seed
        self.source_ids.append(mappings[0].source_id)
        if mappings[0].source_id == 1:
            raise DescriberError("No quota left.")
        await asyncio.sleep(0.05)
        if isinstance(self.late, ReplyError):
            raise self.late
        return self.late


@pytest.mark.parametrize("late", [answer("late"), ReplyError("empty")])
def test_when_a_run_ends_open_replies_are_kept_and_no_other_head_is_started(late: Answer | ReplyError) -> None:
    describer, log = Uneven(late), []

    async def work() -> None:
        with pytest.raises(DescriberError, match="No quota"):
            await describe_heads(
                heads(5),
                describer,
                on_answer=lambda head, reply: log.append((head, reply)),
                on_failure=lambda *failure: log.append(failure),
                concurrency=2,
            )

    asyncio.run(work())
    assert log == (
        [(HeadId(0, 0), late)] if isinstance(late, Answer) else []
    )  # a failure would be final: the next run asks again
    assert describer.source_ids == [0, 1]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_describer_error_ends_the_run(concurrency: int) -> None:
    describer = ScriptedDescriber([answer("one"), DescriberError("No quota left."), answer("never")])
    with pytest.raises(DescriberError, match=r"^No quota left\.$"):
        run(describer, 3, concurrency=concurrency)


def test_an_answer_that_cannot_be_stored_ends_the_run() -> None:
    def store_on_full_disk(_head: HeadId, _answer: Answer) -> None:
        raise OSError("No space left on device")

    describer = ScriptedDescriber([answer("one"), answer("two")])
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(describe_heads(heads(2), describer, on_answer=store_on_full_disk, on_failure=lambda *_: None))
    assert describer.questions == [((0,), 0)]


class Counting:
    """Counts how many questions are open at the same time."""

    name = "counting"

    def __init__(self) -> None:
        self.open = 0
        self.max_open = 0

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        self.open += 1
        self.max_open = max(self.max_open, self.open)
        await asyncio.sleep(0.01)
        self.open -= 1
        return answer(f"head {mappings[0].source_id} seed {seed}")


@pytest.mark.parametrize(("concurrency", "max_open"), [(1, 1), (4, 4), (50, 10)])
def test_no_more_questions_are_open_than_allowed(concurrency: int, max_open: int) -> None:
    describer = Counting()
    log = run(describer, 10, concurrency=concurrency)
    assert sorted(log) == [(HeadId(0, h), f"head {h} seed 0") for h in range(10)]
    assert describer.max_open == max_open


@pytest.mark.parametrize(("concurrency", "replies"), [(1, "1 reply"), (4, "4 replies")])
def test_a_cancelled_run_says_what_it_waits_for(
    concurrency: int, replies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    describer, log = Counting(), []

    async def work() -> None:
        task = asyncio.create_task(
            describe_heads(
                heads(9),
                describer,
                on_answer=lambda head, _: log.append(head),
                on_failure=lambda *_: None,
                concurrency=concurrency,
            )
        )
        while describer.open < concurrency:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    assert log == [HeadId(0, h) for h in range(concurrency)]
    assert capsys.readouterr().err.startswith(f"Waiting for {replies} that may already cost money; ")


def test_a_cancelled_run_without_open_replies_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        def cancel(*_: object) -> None:
            task.cancel()

        describer = ScriptedDescriber([answer("one")] * 9)
        task = asyncio.create_task(describe_heads(heads(9), describer, on_answer=cancel, on_failure=cancel))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(describer.questions) == 1

    asyncio.run(work())
    assert capsys.readouterr().err == ""


def test_an_interrupt_in_a_notebook_stops_the_run_and_keeps_open_replies() -> None:
    log: list[HeadId] = []

    def interrupt_at_fifth(head: HeadId, _answer: Answer) -> None:
        log.append(head)
        if len(log) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    async def cell() -> None:
        run_to_completion(
            describe_heads(heads(500), Counting(), on_answer=interrupt_at_fifth, on_failure=lambda *_: None)
        )

    loop = asyncio.new_event_loop()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(cell())
    loop.close()
    assert 5 <= len(log) < 50
