"""Describes heads with one describer; of many it hands each answer on as it comes. Stores nothing itself."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar

from maps.describers.describer import Describer
from maps.errors import DescriberError, MapsError, NoReplyError, ReplyError
from maps.text import pluralize
from maps.types import Answer, HeadId, Mapping, check_seed

MAX_ATTEMPTS = 3

Q = TypeVar("Q")
T = TypeVar("T")


def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Runs asynchronous work to its end, in a thread of its own where a loop runs already, as in a notebook.

    An interrupt cancels the work.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    begun: Future[Callable[[], object]] = Future()

    async def in_thread() -> T:
        task = asyncio.ensure_future(work)
        begun.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel))
        return await task

    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(asyncio.run, in_thread())
        try:
            return found.result()
        except KeyboardInterrupt:
            begun.result()()
            raise


def describe_mappings(mappings: Sequence[Mapping], describer: Describer, seed: int = 0) -> Answer:
    """Describes one head's mappings; asks again as `describe_heads` does, then raises the last ReplyError."""
    if not mappings:
        raise MapsError("There are no mappings to describe.")
    check_seed(seed)

    async def work() -> tuple[Answer | ReplyError, int]:
        async with as_async_context(describer):
            return await _ask_with_retries(partial(describer.describe, mappings), seed)

    reply, _ = run_to_completion(work())
    if isinstance(reply, ReplyError):
        raise reply
    return reply


def as_async_context(describer: Describer) -> AbstractAsyncContextManager[Any]:
    """The describer as an async context: its own where it is one, otherwise an empty one."""
    return describer if isinstance(describer, AbstractAsyncContextManager) else nullcontext(describer)


async def describe_heads(
    heads: Iterable[tuple[HeadId, Sequence[Mapping]]],
    describer: Describer,
    *,
    on_answer: Callable[[HeadId, Answer], None],
    on_failure: Callable[[HeadId, str, int], None],
    skip: Collection[HeadId] = frozenset(),
    seed: int = 0,
    concurrency: int = 1,
) -> None:
    """Describes every head that is not in `skip`, at most `concurrency` at a time.

    Each answer goes to `on_answer` at once. A head without a usable reply is asked again with the seeds
    seed + 1 and seed + 2, then handed to `on_failure` with the last reason and the number of attempts. After a
    DescriberError or a cancellation no further head is begun, but the replies that are under way, which are paid,
    still go to `on_answer`; then the error comes out. A cancellation, as by Ctrl+C, is told that it waits for them.
    An error of the two functions stops everything.
    """
    todo = [(head, mappings) for head, mappings in heads if head not in skip]
    async with as_async_context(describer):
        await ask_each(
            todo,
            lambda pair, seed: describer.describe(pair[1], seed),
            on_answer=lambda pair, answer: on_answer(pair[0], answer),
            on_failure=lambda pair, reason, attempts: on_failure(pair[0], reason, attempts),
            seed=seed,
            concurrency=concurrency,
        )


async def ask_each(
    things: Iterable[Q],
    ask: Callable[[Q, int], Awaitable[T]],
    *,
    on_answer: Callable[[Q, T], None],
    on_failure: Callable[[Q, str, int], None],
    seed: int = 0,
    concurrency: int = 1,
) -> None:
    """Asks about each thing with a seed, as `describe_heads` says, at most `concurrency` at a time."""
    asked = list(things)
    todo = iter(asked)
    errors: list[DescriberError] = []
    stop = asyncio.Event()
    under_way = 0

    async def counted(thing: Q, seed: int) -> T:
        nonlocal under_way
        under_way += 1
        try:
            return await ask(thing, seed)
        finally:
            under_way -= 1

    async def work() -> None:
        for thing in todo:
            try:
                reply, attempts = await _ask_with_retries(partial(counted, thing), seed, stop)
            except DescriberError as error:
                errors.append(error)
                stop.set()
                return
            if not isinstance(reply, ReplyError):
                on_answer(thing, reply)
            elif attempts:
                on_failure(thing, str(reply), attempts)
            await asyncio.sleep(0)  # lets an interrupt in where nothing is waited for
            if stop.is_set():
                return

    if asked:
        await _run_together([work() for _ in range(min(concurrency, len(asked)))], stop, lambda: under_way)
    if errors:
        raise errors[0]


async def _run_together(
    works: Sequence[Coroutine[Any, Any, None]], stop: asyncio.Event, under_way: Callable[[], int]
) -> None:
    """Runs them to their end, or to a first error; when cancelled, sets `stop` and waits for what is under way."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
    except asyncio.CancelledError:
        stop.set()
        _print_waiting(under_way())
        await asyncio.wait(tasks)
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _print_waiting(replies: int) -> None:
    """Says, above the bar, why the run does not end at once."""
    from tqdm import tqdm

    if replies:
        verb, them = ("is", "it") if replies == 1 else ("are", "them")
        what = f"{pluralize(replies, 'reply')} that {verb} under way and may be paid for"
        said = f"Waiting for {what}; Ctrl+C again stops at once, without {them}."
        tqdm.write(said, file=sys.stderr)


async def _ask_with_retries(
    ask: Callable[[int], Awaitable[T]], seed: int, stop: asyncio.Event | None = None
) -> tuple[T | ReplyError, int]:
    """The answer, or the last error where no attempt brought one, with the number of attempts.

    0 attempts where the run is to stop: then it is neither answered nor given up.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return await ask(seed + attempt - 1), attempt
        except ReplyError as error:
            reply = error
        if attempt == MAX_ATTEMPTS or isinstance(reply, NoReplyError):
            return reply, attempt
        if stop is not None and stop.is_set():
            return reply, 0
    raise AssertionError("ATTEMPTS is at least 1")
