"""Asks many questions with a few workers and hands on each answer as it arrives. Stores nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from maps.describers.describer import Describer
from maps.errors import DescriberError, MapsError, NoReplyError, ReplyError
from maps.llm.notices import print_above_bar
from maps.text import pluralize
from maps.types import Answer, Mapping, check_seed

MAX_ATTEMPTS = 3

Q = TypeVar("Q")
T = TypeVar("T")


def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end; an interrupt (Ctrl+C) cancels it.

    Where a loop is already running, as in a notebook, the coroutine runs in a thread of its own.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    cancel: Future[Callable[[], object]] = Future()
    with ThreadPoolExecutor(1) as executor:
        result = executor.submit(asyncio.run, _run_cancellable(work, cancel))
        try:
            return result.result()
        except KeyboardInterrupt:
            cancel.result()()
            raise


async def _run_cancellable(work: Coroutine[Any, Any, T], cancel: Future[Callable[[], object]]) -> T:
    """Runs a coroutine; gives `cancel` a function that cancels it from another thread."""
    task = asyncio.ensure_future(work)
    cancel.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel))
    return await task


def describe_mappings(mappings: Sequence[Mapping], describer: Describer, seed: int = 0) -> Answer:
    """Describes one head's mappings; after three attempts without a usable reply, raises the last ReplyError."""
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
    """The describer itself if it is an async context manager, otherwise an empty context."""
    return describer if isinstance(describer, AbstractAsyncContextManager) else nullcontext(describer)


async def describe_heads(
    heads: Iterable[tuple[Q, Sequence[Mapping]]],
    describer: Describer,
    *,
    on_answer: Callable[[Q, Answer], None],
    on_failure: Callable[[Q, str, int], None],
    seed: int = 0,
    concurrency: int = 1,
) -> None:
    """Describes heads, or operations of heads, at most `concurrency` at a time.

    Each answer goes to `on_answer` at once. After a reply that is not usable, the head is asked again with seed + 1,
    then with seed + 2; then `on_failure` gets the last reason and the number of attempts. After a DescriberError or a
    cancellation (Ctrl+C) no further head is started, but open replies, which may already cost money, are awaited and
    still go to `on_answer`; then the error is raised. An exception of `on_answer` or `on_failure` stops everything.
    """
    async with as_async_context(describer):
        await ask_each(
            heads,
            lambda pair, seed: describer.describe(pair[1], seed),
            on_answer=lambda pair, answer: on_answer(pair[0], answer),
            on_failure=lambda pair, reason, attempts: on_failure(pair[0], reason, attempts),
            seed=seed,
            concurrency=concurrency,
        )


async def ask_each(
    questions: Iterable[Q],
    ask: Callable[[Q, int], Awaitable[T]],
    *,
    on_answer: Callable[[Q, T], None],
    on_failure: Callable[[Q, str, int], None],
    seed: int = 0,
    concurrency: int = 1,
) -> None:
    """Asks each question with `ask(question, seed)`, at most `concurrency` at a time, as `describe_heads` says."""
    pending = list(questions)
    if pending:
        await _Asker(iter(pending), ask, on_answer, on_failure, seed).run(min(concurrency, len(pending)))


@dataclass
class _Asker(Generic[Q, T]):
    """Workers that take questions from one iterator until it is empty, or until `is_stopping`."""

    questions: Iterator[Q]
    ask: Callable[[Q, int], Awaitable[T]]
    on_answer: Callable[[Q, T], None]
    on_failure: Callable[[Q, str, int], None]
    seed: int
    is_stopping: bool = False
    error: DescriberError | None = None  # the first one, raised when all workers are done
    open_count: int = 0  # questions that wait for their reply

    async def run(self, worker_count: int) -> None:
        """Runs the workers to their end; after a cancellation, waits for open replies first."""
        tasks = [asyncio.create_task(self._work()) for _ in range(worker_count)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()  # raises the worker's exception
        except asyncio.CancelledError:
            self.is_stopping = True
            _print_waiting(self.open_count)
            await asyncio.wait(tasks)
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.error:
            raise self.error

    async def _work(self) -> None:
        for question in self.questions:
            try:
                ask = partial(self._ask_counted, question)
                reply, attempts = await _ask_with_retries(ask, self.seed, lambda: self.is_stopping)
            except DescriberError as error:
                self.error = self.error or error
                self.is_stopping = True
                return
            if not isinstance(reply, ReplyError):
                self.on_answer(question, reply)
            elif attempts:
                self.on_failure(question, str(reply), attempts)
            await asyncio.sleep(0)  # a describer that never waits would otherwise never let an interrupt in
            if self.is_stopping:
                return

    async def _ask_counted(self, question: Q, seed: int) -> T:
        self.open_count += 1
        try:
            return await self.ask(question, seed)
        finally:
            self.open_count -= 1


def _print_waiting(reply_count: int) -> None:
    if reply_count:
        replies = pluralize(reply_count, "reply")
        print_above_bar(f"Waiting for {replies} that may already cost money; press Ctrl+C again to stop at once.")


async def _ask_with_retries(
    ask: Callable[[int], Awaitable[T]], seed: int, is_stopping: Callable[[], bool] = lambda: False
) -> tuple[T | ReplyError, int]:
    """The answer, or the last error if no attempt gave one; with the number of attempts.

    0 attempts: the run is stopping before the last attempt, so that the question is neither answered nor failed.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return await ask(seed + attempt - 1), attempt
        except ReplyError as reply_error:
            error = reply_error
        if isinstance(error, NoReplyError):  # another seed would not help
            return error, attempt
        if attempt < MAX_ATTEMPTS and is_stopping():
            return error, 0
    return error, MAX_ATTEMPTS
